"""The pipeline's recipes under several splits of the same log: does the winner depend on how one looks?"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recsys_cl.config import Pipeline, load_pipeline
from recsys_cl.core.errors import Refused, Unavailable
from recsys_cl.core.files import atomic_write, write_json
from recsys_cl.core.settings import Component
from recsys_cl.ingest.protocols import has_clock, needs_clock, windows_of
from recsys_cl.stages.compared import Comparison, Measured, Window, markdown
from recsys_cl.stages.ingest import IngestStage
from recsys_cl.stages.openings import FOLDER, Ledger
from recsys_cl.stages.pipeline import stages_of
from recsys_cl.stages.runner import Status, run_stages
from recsys_cl.stages.store import Store
from recsys_cl.stages.tracking import Tracking

JSON, MARKDOWN = "protocols.json", "protocols.md"
Watch = Callable[[str, Status, float], None]


@dataclass(frozen=True, slots=True)
class _Run:
    """What stays the same from one protocol to the next."""

    store: Store
    log: str  # digest of what was ingested
    ledger: Ledger
    tracking_uri: str | None
    watch: Watch


def compare_protocols(
    path: Path,
    assignments: Sequence[str],
    data_dir: Path,
    tracking_uri: str | None,
    watch: Watch,
    tell: Callable[[str], None],
) -> Comparison:
    """Train and evaluate every recipe under every protocol the data can carry; what is made already is found.

    Every opening of a test part is counted, as in a run. Trainings are told to the MLflow experiment ``NAME-protocols``;
    ``protocols.json`` and ``protocols.md`` are written into the pipeline's folder.

    Raises:
        Refused: the pipeline, the log, or every protocol.
        Unavailable: the log changed meanwhile, or the disk or the tracking store is not there.
    """
    pipeline = load_pipeline(path, assignments)
    store = Store(data_dir.resolve() / pipeline.name)
    # First of all and alone: what is wrong with the log is no protocol's fault.
    log = run_stages([IngestStage(pipeline.ingest, pipeline.seed)], store, watch).artifacts["interactions"]
    run = _Run(store, log.digest, Ledger(data_dir.resolve() / FOLDER), tracking_uri, watch)
    measured, refused = [], {}
    for name, split in pipeline.protocols.of(pipeline.prepare.split).items():
        try:
            measured.append(_measure(pipeline, name, split, run))
        except Refused as error:
            refused[name] = str(error)
            tell(f"{name}: left out: {error}")
    if not measured:
        raise Refused("the data can carry no protocol: " + "; ".join(f"{name}: {why}" for name, why in refused.items()))
    compared = Comparison(pipeline.name, _metric(pipeline), tuple(measured), refused, store.root)
    write_json(store.root / JSON, compared.as_json())
    with atomic_write(store.root / MARKDOWN, "w") as stream:
        stream.write(markdown(compared.as_json()))
    return compared


def _measure(pipeline: Pipeline, name: str, split: Component, run: _Run) -> Measured:
    source = pipeline.ingest.source
    if needs_clock(split) and not has_clock(source):
        raise Refused(f"times of source '{source.use}' are places in each user's list, so users cannot be split by one clock")
    splits = windows_of(split)
    labels = [name if len(splits) == 1 else f"{name} {number}" for number, _ in enumerate(splits, start=1)]
    return Measured(name, split, tuple(_window(pipeline, *each, run) for each in zip(labels, splits, strict=True)))


def _window(pipeline: Pipeline, label: str, split: Component, run: _Run) -> Window:
    """The pipeline's own stages, up to evaluation, on another split."""
    # Through validation: what does not go with this split is refused as it would be in a pipeline's file.
    prepare = type(pipeline.prepare).model_validate({**dict(pipeline.prepare), "split": split})
    variant = pipeline.model_copy(update={"prepare": prepare})
    tracking = Tracking(f"{pipeline.name}-protocols", Path(), run.tracking_uri, {"protocol": label})

    def told(stage: str, status: Status, seconds: float) -> None:
        if stage != "ingest":  # told of once, before the first protocol
            run.watch(f"{label}: {stage}", status, seconds)

    artifacts = run_stages(stages_of(variant, tracking, run.ledger), run.store, told, until="evaluate").artifacts
    if artifacts["interactions"].digest != run.log:
        raise Unavailable("the log changed while protocols were compared; run the same command again")
    found = {name: _json(artifacts[f"evaluation/{name}"].path / "metrics.json") for name in pipeline.recipes()}
    means = {name: float(each["test"][_metric(pipeline)]) for name, each in found.items()}
    return Window(split, int(next(iter(found.values()))["users"]), means)


def _metric(pipeline: Pipeline) -> str:
    return pipeline.protocols.metric or pipeline.registry.metric


def _json(path: Path) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return value
