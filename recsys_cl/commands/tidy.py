"""Room on the disk, for pipelines that run every night."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from recsys_cl.commands.options import AsJson, Assignments, DataDir, PipelineFile, TrackingUri


def gc(
    pipeline: PipelineFile,
    keep: Annotated[int, typer.Option(min=1, help="So many results of each stage, the newest.")] = 7,
    set_: Assignments = None,
    data_dir: DataDir = Path("data"),
    tracking_uri: TrackingUri = None,
    as_json: AsJson = False,
) -> None:
    """Take away a pipeline's old results; what it would find up to date stays, and so do runs and models."""
    from recsys_cl.stages.collect import collect
    from recsys_cl.stages.pipeline import plan_of

    plan = plan_of(pipeline, tuple(set_ or ()), data_dir, tracking_uri)
    gone = collect(plan.stages, plan.store, keep)
    print(json.dumps(gone.as_json()) if as_json else f"{len(gone.results)} old results removed, {gone.bytes / 1e6:,.1f} MB")


def attach(app: typer.Typer) -> None:
    """Add `gc`."""
    app.command()(gc)
