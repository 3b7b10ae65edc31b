"""The recipe that is best on validation becomes a registered model; every experiment's run becomes complete."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, ClassVar

from recsys_cl.core.errors import Refused, nearest
from recsys_cl.core.files import digest_file, write_json
from recsys_cl.core.protocols import Job
from recsys_cl.stages.bundle import make_bundle
from recsys_cl.stages.store import COST
from recsys_cl.stages.tracking import Tracking

if TYPE_CHECKING:
    from recsys_cl.serving.bundle import Bundle
    from recsys_cl.tracking.store import Store

EVIDENCE = ("metrics.json", "per_user.parquet", "segments.json", "per_segment.parquet", "representation.json")
"""What a run keeps of its evaluation: all that is needed to compare it with another."""
AUDIT = "leakage/audit"
"""Where a run keeps its audit: a server takes a file that is called like its folder for the folder, and lists nothing."""
TRAINING = ("recipe.json", "summary.json", "history.jsonl", COST)
"""What a run keeps of its training, weights apart: those of the best are in the model."""


@dataclass(frozen=True)
class RegisterStage:
    """Reads what was trained, measured and drawn; writes to the tracking store, and a receipt of it.

    Running it again, or after a crash anywhere, changes nothing that is there: runs are known by the fingerprint of their
    training, versions by the content of their model. A version that was damaged since is registered again, as the next one.
    """

    model: str
    experiments: tuple[str, ...]
    metric: str
    chosen: str | None
    tracking: Tracking = field(repr=False)

    name: ClassVar[str] = "register"
    version: ClassVar[int] = 5
    writes: ClassVar[tuple[str, ...]] = ("registration",)

    @property
    def reads(self) -> tuple[str, ...]:
        """Every model and evaluation, what they know of the past, and the report."""
        each = [f"{kind}/{name}" for name in self.experiments for kind in ("model", "evaluation")]
        return ("train", "valid", "vocabulary", "audit", "report", *each)

    @property
    def settings(self) -> Mapping[str, Any]:
        """What is registered, and how it is chosen."""
        return {"model": self.model, "experiments": self.experiments, "metric": self.metric, "chosen": self.chosen}

    def outside(self) -> Mapping[str, str]:
        """Which store is written: another one, or the same made anew, lacks what was registered before."""
        from recsys_cl.tracking.store import peek_identity

        tracking = self.tracking
        known = peek_identity(tracking.root, tracking.uri, tracking.pipeline)
        return {"tracking": known or tracking.experiment.store.identity(tracking.pipeline)}

    def stands(self, made: Mapping[str, Path]) -> bool:
        """Whether the version that was registered is there, and is still of that content."""
        from recsys_cl.tracking.registry import holds
        from recsys_cl.tracking.standing import standing_of

        done, tracking = _json(made["registration"]), self.tracking
        return holds(standing_of(done["name"], tracking.root, tracking.uri).versions.get(done["version"], {}), done["content"])

    def run(self, job: Job) -> Mapping[str, float]:
        """Complete the runs, register the best recipe's model, verify the registered copy, then point the aliases at it."""
        summaries = {name: _json(job.reads[f"model/{name}"] / "summary.json") for name in self.experiments}
        learnt = {name: summary["valid"] for name, summary in summaries.items() if summary["parameters"] > 0}
        best = self.chosen or self.choose(learnt or {name: summary["valid"] for name, summary in summaries.items()})
        runs = {name: self._complete(name, summary, job) for name, summary in summaries.items()}
        parent = self._adopt({summaries[name]["fingerprint"]: run_id for name, run_id in runs.items()}, job)
        bundle = make_bundle(best, job.reads)
        content = _content(bundle)
        version = self._register(bundle, content, runs[best])
        write_json(
            job.out("registration"),
            {
                "name": self.model,
                "version": version,
                "content": content,
                "recipe": best,
                "run_id": runs[best],
                "runs": runs,
                "parent": parent,
            },
        )
        return {"version": version, "runs": len(runs)}

    def choose(self, valid: Mapping[str, Mapping[str, float]]) -> str:
        """The experiment with the highest validation metric; of equals the first listed."""
        for name, metrics in valid.items():
            if self.metric not in metrics:
                raise Refused(f"registry.metric: '{self.metric}' was not measured for {name}; {nearest(self.metric, metrics)}")
        return max(valid, key=lambda name: valid[name][self.metric])

    def _complete(self, name: str, summary: Mapping[str, Any], job: Job) -> str:
        """See that this store has the whole run: training, metrics, inputs, artifacts; its id."""
        from recsys_cl.tracking.jsonl import replay

        model, evaluation = job.reads[f"model/{name}"], job.reads[f"evaluation/{name}"]
        run = self.tracking.experiment.ensure(
            summary["fingerprint"], name, lambda tracker: replay(model / "history.jsonl", tracker), self.tracking.tags
        )
        measured = {f"best/{metric}": value for metric, value in summary["valid"].items()}
        measured |= {f"test/{metric}": value for metric, value in _json(evaluation / "metrics.json")["test"].items()}
        verdicts = [check["verdict"] for check in _json(job.reads["audit"])["checks"]]
        measured |= {"audit/leaks": verdicts.count("leak"), "audit/warnings": verdicts.count("warning")}
        run.log(measured, step=summary["epochs"])
        run.reads(
            {"name": self.tracking.pipeline, "digest": digest_file(job.reads[part]), "context": part, "source": part}
            for part in ("train", "valid")
        )
        for kept in (model / name for name in TRAINING):
            if kept.exists():
                run.attach(kept, "training")
        for kept in (evaluation / name for name in EVIDENCE):
            if kept.exists():
                run.attach(kept, "evaluation")
        run.attach(job.reads["audit"], AUDIT.rpartition("/")[0])
        run.attach(job.reads["report"], "report")
        return run.run_id

    def _adopt(self, children: Mapping[str, str], job: Job) -> str:
        from recsys_cl.tracking.family import DATA, adopt

        tags = {**self.tracking.tags, DATA: digest_file(job.reads["train"])}
        return adopt(self.tracking.experiment, self.tracking.pipeline, children, tags)

    def _register(self, bundle: Bundle, content: str, run_id: str) -> int:
        """See that an undamaged version of this content is there, and appoint it; its number."""
        from recsys_cl.serving.check import check_copy
        from recsys_cl.serving.load import registered_folder
        from recsys_cl.tracking.promotion import supersede
        from recsys_cl.tracking.registry import appoint, find_version, log_model, mark_damaged, register

        experiment, store = self.tracking.experiment, self.tracking.experiment.store
        with store.locked():  # of several processes with one result, one registers it
            while (found := find_version(store, self.model, content)) is not None and (why := _damage(store, found)):
                mark_damaged(store, self.model, int(found.version), why)
            if found is None:
                logged = log_model(experiment, run_id, self.model, lambda folder, model_id: _write(bundle, folder, model_id))
                found = register(store, self.model, logged, content)
        with store.explained(), registered_folder(store.client, found) as folder:
            check_copy(folder, bundle)
            supersede(store, self.model, content, int(found.version))
        return appoint(store, self.model, int(found.version)).version


def _damage(store: Store, version: Any) -> str:
    """What is wrong with the files of a registered version; empty: they are those that were registered."""
    from recsys_cl.serving.load import registered_folder

    try:
        with store.explained(), registered_folder(store.client, version):
            return ""
    except Refused as problem:
        return str(problem)


def _content(bundle: Bundle) -> str:
    """A digest of all that the bundle holds."""
    from recsys_cl.serving.bundle import write_bundle
    from recsys_cl.serving.manifest import digest_folder

    with TemporaryDirectory() as scratch:
        write_bundle(bundle, Path(scratch) / "bundle")
        return digest_folder(Path(scratch) / "bundle")


def _write(bundle: Bundle, folder: Path, model_id: str) -> dict[str, str]:
    """Write the model to be logged; the digest of its folder is what a loader will insist on."""
    from recsys_cl.serving.load import FILES, SHA256
    from recsys_cl.serving.manifest import contents, digest_folder
    from recsys_cl.serving.package import write_model

    write_model(bundle, folder, model_id)
    return {SHA256: digest_folder(folder), FILES: contents(folder)}


def _json(path: Path) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return value
