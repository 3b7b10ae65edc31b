"""Every experiment's evaluation becomes one page, and the same facts as JSON."""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from recsys_cl.core.files import atomic_write, digest_file, write_json
from recsys_cl.core.protocols import Job
from recsys_cl.core.version import VERSION

if TYPE_CHECKING:
    import pandas as pd

    from recsys_cl.reporting.evidence import Comparison, Evidence, Trial

SHOWN = 6
"""Users whose lists are shown, and how many of their items."""
RANKS = 200
"""Points of the popularity curve."""


@dataclass(frozen=True)
class ReportStage:
    """Reads what was measured, and draws it."""

    pipeline: str
    experiments: tuple[str, ...]
    metric: str
    metrics: tuple[str, ...]  # in the order in which they are shown
    facts: tuple[tuple[str, str], ...] = ()

    name: ClassVar[str] = "report"
    version: ClassVar[int] = 1
    writes: ClassVar[tuple[str, ...]] = ("report",)

    @property
    def reads(self) -> tuple[str, ...]:
        """Every model and evaluation, and the data set they stand on."""
        each = [f"{kind}/{name}" for name in self.experiments for kind in ("model", "evaluation")]
        return ("train", "valid", "vocabulary", "data_report", *each)

    @property
    def settings(self) -> Mapping[str, Any]:
        """What the page says beyond its inputs."""
        shown = {"metric": self.metric, "metrics": self.metrics, "facts": self.facts}
        return {"pipeline": self.pipeline, "experiments": self.experiments, **shown}

    def outside(self) -> Mapping[str, str]:
        """Nothing beyond the store is read."""
        return {}

    def run(self, job: Job) -> Mapping[str, float]:
        """Write ``report/index.html`` and ``report/report.json``."""
        from recsys_cl.reporting.page import render

        evidence = self._gather(job)
        folder = job.out("report")
        folder.mkdir(parents=True, exist_ok=True)
        page = render(evidence)
        with atomic_write(folder / "index.html", "w") as stream:
            stream.write(page)
        write_json(folder / "report.json", {**asdict(evidence), "headline": evidence.headline()})
        return {"experiments": len(self.experiments), "bytes": len(page.encode())}

    def _gather(self, job: Job) -> Evidence:
        from recsys_cl.reporting.evidence import Evidence
        from recsys_cl.stages.examples import examples

        trials = [self._trial(name, job) for name in self.experiments]
        first = json.loads((job.reads[f"evaluation/{self.experiments[0]}"] / "metrics.json").read_text("utf-8"))
        data = json.loads(job.reads["data_report"].read_text("utf-8"))
        lists = {name: job.reads[f"evaluation/{name}"] for name in self.experiments}
        digests = {f"{part} (sha256)": digest_file(job.reads[part]) for part in ("train", "valid")}
        return Evidence(
            pipeline=self.pipeline,
            metric=self.metric,
            trials=trials,
            comparison=compare(trials, lists, self.metric),
            data={**data, "popularity": _popularity(job.reads["train"])},
            examples=examples(job.reads, lists, SHOWN),
            facts={**dict(self.facts), **digests, "recsys_cl": VERSION, "python": platform.python_version(), **_versions()},
            conventions={str(name): str(text) for name, text in first["conventions"].items()},
        )

    def _trial(self, name: str, job: Job) -> Trial:
        from recsys_cl.reporting.evidence import Trial

        model, evaluation = job.reads[f"model/{name}"], job.reads[f"evaluation/{name}"]
        recipe = json.loads((model / "recipe.json").read_text("utf-8"))
        summary = json.loads((model / "summary.json").read_text("utf-8"))
        lines = [json.loads(line) for line in (model / "history.jsonl").read_text("utf-8").splitlines()]
        test = json.loads((evaluation / "metrics.json").read_text("utf-8"))["test"]
        return Trial(
            name=name,
            title=recipe["title"],
            paper=recipe["provenance"]["paper"],
            family=recipe["family"],
            epochs=summary["epochs"],
            seconds=summary["train_seconds"],
            parameters=summary["parameters"],
            valid=summary["valid"],
            test={metric: test[metric] for metric in self.metrics},
            history=[{"step": line["step"], **line["metrics"]} for line in lines if "metrics" in line],
            settings={key: value for key, value in recipe.items() if key not in {"title", "family", "provenance"} and value},
        )


def compare(trials: list[Trial], folders: Mapping[str, Path], metric: str) -> Comparison | None:
    """The learnt recipe that is best on validation against the baseline that is, paired over the users of the test part."""
    from recsys_cl.evaluation.compare import paired_interval
    from recsys_cl.reporting.evidence import Comparison

    learnt = [t for t in trials if t.learnt]
    baselines = [t for t in trials if not t.learnt]
    if not learnt or not baselines:
        return None
    ours, theirs = (max(some, key=lambda t: t.valid.get(metric, 0.0)).name for some in (learnt, baselines))
    a, b = (_per_user(folders[name], metric) for name in (ours, theirs))
    found = paired_interval(a.to_numpy(), b.reindex(a.index).to_numpy())
    relative = found.mean / float(b.mean()) if float(b.mean()) > 0 else 0.0
    return Comparison(metric, ours, theirs, found.mean, found.low, found.high, relative, len(a))


def _per_user(folder: Path, metric: str) -> pd.Series[float]:
    import pandas as pd

    return pd.read_parquet(folder / "per_user.parquet", columns=["user", metric]).set_index("user")[metric]


def _popularity(train: Path) -> list[int]:
    """Interactions of the items by rank, at ``RANKS`` ranks that are even on a logarithmic axis."""
    import numpy as np
    import pyarrow.parquet as pq

    counts = np.sort(np.bincount(pq.read_table(train, columns=["item"])["item"].to_numpy()))[::-1]
    ranks = np.unique(np.geomspace(1, len(counts), RANKS).astype(np.int64)) - 1
    return [int(n) for n in counts[ranks]]


def _versions() -> dict[str, str]:
    from importlib.metadata import version

    return {name: version(name) for name in ("torch", "numpy", "pyarrow", "mlflow")}
