"""Run a pipeline, or up to one of its stages."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from recsys_cl.commands.options import AsJson, Assignments, DataDir, Force, PipelineFile, TrackingUri


def run(
    pipeline: PipelineFile,
    set_: Assignments = None,
    until: Annotated[
        str | None, typer.Option(metavar="STAGE", help="The last stage to run, e.g. train or train/sgl-edge.")
    ] = None,
    force: Force = None,
    data_dir: DataDir = Path("data"),
    tracking_uri: TrackingUri = None,
    as_json: AsJson = False,
    once: Annotated[bool, typer.Option("--once", help="For triggers: leave it to a run that goes on, and exit 0.")] = False,
) -> None:
    """Run a whole pipeline: ingest, prepare, train, evaluate, report, register. What is up to date is skipped."""
    from recsys_cl.console import Console
    from recsys_cl.stages.pipeline import run_pipeline

    console = Console()
    changes = tuple(set_ or ())
    result = run_pipeline(pipeline, changes, data_dir, tracking_uri, console.watch, until, force, once=once)
    console.table(result)
    if as_json:
        print(json.dumps(result.as_json(), allow_nan=False))


def _stage_command(app: typer.Typer, name: str, does: str) -> None:
    def command(
        pipeline: PipelineFile,
        set_: Assignments = None,
        force: Annotated[bool, typer.Option("--force", help="Run it again although its result is there.")] = False,
        data_dir: DataDir = Path("data"),
        tracking_uri: TrackingUri = None,
        as_json: AsJson = False,
    ) -> None:
        run(pipeline, set_, name, name if force else None, data_dir, tracking_uri, as_json)

    app.command(name, help=f"{does} Runs what it needs first.")(command)


def attach(app: typer.Typer) -> None:
    """Add `run` and one command a stage; `ingest` is in `data.py`, since it works without a pipeline too."""
    app.command()(run)
    _stage_command(app, "prepare", "Split, filter and number the interactions.")
    _stage_command(app, "train", "Train every experiment's recipe.")
    _stage_command(app, "audit", "Look for what could have told the models of the test part.")
    _stage_command(app, "evaluate", "Rank the full catalogue for the held-out test part.")
    _stage_command(app, "register", "Register the recipe that is best on validation.")
