"""A decision about a version is made by its gates, kept with all it stands on, and only then carried out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Literal

from recsys_cl.core.errors import Refused
from recsys_cl.core.files import write_json
from recsys_cl.stages.gates import Gate

if TYPE_CHECKING:
    from recsys_cl.tracking.store import Store

_TAG = 500
"""Characters of a tag; the artifact has the rest."""


THE_CHAMPION, ROLLED_BACK = "is the champion", "was rolled back"
"""Why a version is ``unchanged``."""


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether ``version`` answers from now on, and why.

    ``unchanged``: it is the champion already, or it was taken back by a rollback and nobody has asked for it again.
    """

    model: str
    version: int
    champion: int | None  # before the decision
    outcome: Literal["promoted", "kept back", "unchanged"]
    gates: tuple[Gate, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)  # e.g. test_digest, remeasured, forced; why it is unchanged

    @property
    def blocked(self) -> list[Gate]:
        """The gates that stop the version."""
        return [gate for gate in self.gates if gate.verdict == "blocked"]

    def __str__(self) -> str:
        what = f"version {self.version} {self.outcome}"
        if self.facts.get("why") == ROLLED_BACK:
            again = f"recsys-cl promote --model {self.model} --version {self.version}"
            return f"{what}: it {ROLLED_BACK}; `{again}` brings it back"
        if "why" in self.facts:
            return f"{what}: it {self.facts['why']}"
        grounds = "; ".join(map(str, self.blocked or [gate for gate in self.gates if gate.name == "difference"]))
        return f"{what}: {grounds}" if grounds else what

    def as_json(self) -> dict[str, Any]:
        """All of it."""
        return {
            "model": self.model,
            "version": self.version,
            "champion_before": self.champion,
            "outcome": self.outcome,
            "gates": [gate.as_json() for gate in self.gates],
            **self.facts,
        }


def summary_of(decision: Mapping[str, Any]) -> str:
    """A kept decision in one line: what was decided, and by which gates."""
    gates = [Gate(**each) for each in decision["gates"]]
    facts = {key: value for key, value in decision.items() if key in ("forced", "remeasured", "why")}
    one = Decision(
        decision["model"], decision["version"], decision["champion_before"], decision["outcome"], tuple(gates), facts
    )
    return str(one)


def conclude(
    store: Store,
    name: str,
    version: int,
    champion: int | None,
    gates: Sequence[Gate],
    facts: Mapping[str, Any],
    *,
    force: bool = False,
) -> Decision:
    """Promote ``version`` of ``name`` if no gate is blocked, or by ``force``; tags and ``promotion/decision.json`` say why.

    The evidence is kept before ``champion`` moves, so that nobody answers in production for unknown reasons.

    Raises:
        Refused: the champion is no longer the one that the gates speak of.
    """
    from recsys_cl.tracking.promotion import promote, record

    stopped = any(gate.verdict == "blocked" for gate in gates)
    told = {**facts, **({"forced": "yes"} if stopped and force else {})}
    kept_back = stopped and not force
    decision = Decision(name, version, champion, "kept back" if kept_back else "promoted", tuple(gates), told)
    tags = {"against": "nobody" if champion is None else str(champion)}
    tags |= {_key(gate): f"{gate.verdict}: {gate.said}"[:_TAG] for gate in gates} | {k: str(v) for k, v in told.items()}
    _keep(store, decision)
    if kept_back:
        record(store, name, version, "kept back", tags)
    else:
        try:
            promote(store, name, version, tags, champion)
        except Refused as problem:
            _keep(store, replace(decision, outcome="kept back", facts={**told, "refused": str(problem)}))
            raise
    return decision


def _key(gate: Gate) -> str:
    return "evidence" if gate.name == "difference" else gate.name


def _keep(store: Store, decision: Decision) -> None:
    """Among the artifacts of the run that made the version."""
    with store.explained(), TemporaryDirectory() as scratch:
        run_id = store.client.get_model_version(decision.model, str(decision.version)).run_id
        if run_id:
            path = Path(scratch) / "decision.json"
            write_json(path, decision.as_json())
            store.client.log_artifact(run_id, str(path), "promotion")
