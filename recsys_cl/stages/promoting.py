"""The last stage of an unattended run: what was registered replaces the champion or is kept back, and it is said why."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, ClassVar

from recsys_cl.core.errors import Refused
from recsys_cl.core.files import digest_file, write_json
from recsys_cl.core.protocols import Job
from recsys_cl.evaluation.settings import Evaluation
from recsys_cl.stages.decision import ROLLED_BACK, THE_CHAMPION, Decision, conclude
from recsys_cl.stages.openings import Ledger
from recsys_cl.stages.tracking import Tracking
from recsys_cl.tracking.settings import Promotion

if TYPE_CHECKING:
    import pandas as pd

    from recsys_cl.stages.measured import Measured
    from recsys_cl.tracking.store import Store


@dataclass(frozen=True)
class PromoteStage:
    """Decides about what `register` registered. A champion that was measured on other data answers today's test part first.

    A version that a rollback took back stays back: only a person promotes it again. A decision stands as long as the champion
    is the one that it made or left; after that the version is decided about anew.

    Args:
        experiments: whose evaluations are there.
        rule: what must hold; its metric is named.
        evaluation: how everything was measured.
        tracking: the store with the registry.
        ledger: where the champion's opening of the test part is recorded.
    """

    experiments: tuple[str, ...]
    rule: Promotion
    evaluation: Evaluation
    tracking: Tracking = field(repr=False)
    ledger: Ledger | None = field(default=None, compare=False)

    name: ClassVar[str] = "promote"
    version: ClassVar[int] = 2
    writes: ClassVar[tuple[str, ...]] = ("promotion",)

    @property
    def reads(self) -> tuple[str, ...]:
        """The data set and what was said of it, every evaluation, and what was registered."""
        measured = (f"evaluation/{name}" for name in self.experiments)
        return ("train", "valid", "test", "vocabulary", "data_report", "audit", "registration", *measured)

    @property
    def settings(self) -> Mapping[str, Any]:
        """The rule, and how the champion is measured."""
        measured = self.evaluation.model_dump(mode="json", exclude={"memory_mib", "segments", "shots"})
        return {"rule": self.rule.model_dump(mode="json", exclude={"automatic"}), "evaluation": measured}

    def outside(self) -> Mapping[str, str]:
        """Which store is decided in. Who is champion there is no part of it: `stands` asks whether that matters."""
        from recsys_cl.tracking.store import peek_identity

        tracking = self.tracking
        known = peek_identity(tracking.root, tracking.uri, tracking.pipeline)
        return {"tracking": known or tracking.experiment.store.identity(tracking.pipeline)}

    def stands(self, made: Mapping[str, Path]) -> bool:
        """Whether the champion is still the one that the decision made, or left, and what was rolled back still is."""
        from recsys_cl.tracking.promotion import decision_in
        from recsys_cl.tracking.registry import CHAMPION
        from recsys_cl.tracking.standing import standing_of

        done = _json(made["promotion"])
        now = standing_of(done["model"], self.tracking.root, self.tracking.uri)
        champion, version = now.aliases.get(CHAMPION), int(done["version"])
        if done["outcome"] == "kept back":
            return bool(champion == done["champion_before"])
        if done.get("why") == ROLLED_BACK:
            return champion != version and decision_in(now.versions.get(version, {})) == "rolled back"
        return champion == version

    def run(self, job: Job) -> Mapping[str, float]:
        """Write ``promotion``, the decision as JSON; the alias has moved by then, or stays."""
        decision = self._decide(job)
        write_json(job.out("promotion"), decision.as_json())
        return {"promoted": int(decision.outcome == "promoted"), "blocked": len(decision.blocked)}

    def _decide(self, job: Job) -> Decision:
        from recsys_cl.stages.gates import coverage_gate, latency_gate
        from recsys_cl.stages.measured import read_measured, refuse_unmeasured
        from recsys_cl.stages.promote import compared, of_the_data, registered
        from recsys_cl.tracking.promotion import aliases, decision_about
        from recsys_cl.tracking.registry import CHAMPION

        made, store = _json(job.reads["registration"]), self.tracking.experiment.store
        name, version = made["name"], int(made["version"])
        champion = aliases(store, name).get(CHAMPION)
        if champion == version or decision_about(store, name, version) == "rolled back":
            why = THE_CHAMPION if champion == version else ROLLED_BACK
            return Decision(name, version, champion, "unchanged", facts={"why": why})
        ours = read_measured(job.reads[f"evaluation/{made['recipe']}"], f"model '{name}' version {version}")
        refuse_unmeasured(self.rule.metric, ours)
        gates, again = [], False
        if champion is not None:
            theirs, again = self._champion(store, ours, f"models:/{name}/{champion}", job)
            gates.append(compared(ours, theirs, self.rule))
        gates += [
            *of_the_data(_json(job.reads["data_report"]).get("drift"), _json(job.reads["audit"]), self.rule),
            coverage_gate(ours.facts["test"], self.rule.depth, self.rule.coverage),
            latency_gate(registered(store, name, version), self.rule.latency_ms, int(self.rule.depth or 10)),
        ]
        facts = {"metric": self.rule.metric, "margin": self.rule.margin, "test_digest": ours.digests["test"]}
        return conclude(store, name, version, champion, gates, {**facts, "remeasured": "yes" if again else "no"})

    def _champion(self, store: Store, ours: Measured, champion: str, job: Job) -> tuple[pd.Series[float], bool]:
        """The champion's values for the users of ``ours``, and whether it had to be measured anew for them."""
        from recsys_cl.stages.measured import read_measured, refuse_unlike, refuse_unmeasured
        from recsys_cl.stages.promote import registered
        from recsys_cl.stages.reference import evaluation_of
        from recsys_cl.stages.rematch import remeasure

        with TemporaryDirectory() as scratch:
            try:
                theirs = read_measured(evaluation_of(champion, lambda: store, Path(scratch)), champion)
                refuse_unlike([ours, theirs])
                refuse_unmeasured(self.rule.metric, theirs)
                return theirs.values[self.rule.metric], False
            except Refused:  # other data, rules or users: what was measured then says nothing of today
                pass
        if self.ledger is not None:
            self.ledger.open(digest_file(job.reads["test"]), {"experiment": champion, "fingerprint": job.fingerprint})
        name, _, number = champion.removeprefix("models:/").partition("/")
        values = remeasure(registered(store, name, int(number)), job.reads, self.evaluation, self.rule.metric, champion)
        if not values.index.equals(ours.values.index):
            raise Refused(f"{champion} and the challenger were asked for different users of the same test part")
        return values, True


def _json(path: Path) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return value
