"""Every experiment's evaluation becomes one page, and the same facts for machines and pull requests."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from recsys_cl.core.files import atomic_write, digest_file, write_json
from recsys_cl.core.protocols import Job

if TYPE_CHECKING:
    from recsys_cl.reporting.evidence import Evidence


@dataclass(frozen=True)
class ReportStage:
    """Reads what was measured, and draws it.

    Args:
        pipeline: its name, the page's title.
        experiments: in the order of the table.
        metric: what recipes are compared by.
        metrics: in the order in which they are shown.
        facts: provenance beyond the inputs.
        extra: artifacts of other stages that have a section of their own, such as ``audit``.
        protocols: a file beside the artifacts that ``compare-protocols`` writes; it may be absent.
        commands: what makes the report again; shown, and deciding nothing.
        searched: for each experiment, how many trials the search of its settings took; 0: none was made.
    """

    pipeline: str
    experiments: tuple[str, ...]
    metric: str
    metrics: tuple[str, ...]
    facts: tuple[tuple[str, str], ...] = ()
    extra: tuple[str, ...] = ()
    protocols: Path | None = field(default=None, repr=False)
    commands: tuple[str, ...] = ()
    searched: tuple[tuple[str, int], ...] = ()

    name: ClassVar[str] = "report"
    version: ClassVar[int] = 6
    writes: ClassVar[tuple[str, ...]] = ("report",)

    @property
    def reads(self) -> tuple[str, ...]:
        """Every model and evaluation, and the data set they stand on."""
        each = [f"{kind}/{name}" for name in self.experiments for kind in ("model", "evaluation")]
        return ("train", "valid", "vocabulary", "data_report", *self.extra, *each)

    @property
    def settings(self) -> Mapping[str, Any]:
        """What the page says beyond its inputs."""
        shown = {"metric": self.metric, "metrics": self.metrics, "facts": self.facts, "searched": self.searched}
        return {"pipeline": self.pipeline, "experiments": self.experiments, **shown}

    def outside(self) -> Mapping[str, str]:
        """The comparison of protocols, where it was made."""
        return {"protocols": digest_file(self.protocols)} if self.protocols and self.protocols.is_file() else {}

    def run(self, job: Job) -> Mapping[str, float]:
        """Write ``report/index.html``, ``report.json``, ``metrics.parquet`` and ``report.md``."""
        from recsys_cl.stages.gathering import Sources, gather

        files = {name: job.reads[name] for name in ("train", "valid", "vocabulary", "data_report", *self.extra)}
        if self.outside() and self.protocols:
            files["protocols"] = self.protocols
        evaluations, models = (
            {name: job.reads[f"{kind}/{name}"] for name in self.experiments} for kind in ("evaluation", "model")
        )
        sources = Sources(evaluations, models, files)
        evidence = gather(
            sources, self.pipeline, self.metric, self.metrics, dict(self.facts), self.commands, dict(self.searched)
        )
        size = write_report(evidence, job.out("report"))
        return {"experiments": len(self.experiments), "bytes": size}


def write_report(evidence: Evidence, folder: Path) -> int:
    """Write the four files into ``folder``; bytes of the page."""
    import pyarrow.parquet as pq

    from recsys_cl.reporting.machine import as_json, metrics_table
    from recsys_cl.reporting.markdown import markdown
    from recsys_cl.reporting.page import render

    page = render(evidence)
    for name, text in (("index.html", page), ("report.md", markdown(evidence))):
        with atomic_write(folder / name, "w") as stream:
            stream.write(text)
    write_json(folder / "report.json", as_json(evidence))
    with atomic_write(folder / "metrics.parquet") as stream:
        pq.write_table(metrics_table(evidence), stream, write_page_checksum=True)
    return len(page.encode())
