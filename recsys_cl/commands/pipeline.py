"""Run a pipeline, or up to one of its stages."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from recsys_cl.commands.options import AsJson, Assignments, DataDir, Force, LogFormat, PipelineFile, TrackingUri
from recsys_cl.core.errors import Refused
from recsys_cl.core.spinning import spin_briefly_beside_others

if TYPE_CHECKING:
    from recsys_cl.stages.explain import Reason


def run(  # noqa: PLR0917 - options, which typer passes by name
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
    explain: Annotated[bool, typer.Option("--explain", help="Run nothing; say of each stage why it would run or not.")] = False,
    only: Annotated[str | None, typer.Option(metavar="STAGE", help="This stage and what it needs, not its neighbours.")] = None,
    jobs: Annotated[int, typer.Option(min=1, max=64, help="So many recipes train side by side, each a process.")] = 1,
    log_format: LogFormat = "text",
) -> None:
    """Run a whole pipeline: ingest, prepare, train, evaluate, report, register. What is up to date is skipped."""
    spin_briefly_beside_others()  # first, as stages load torch
    from recsys_cl.console import Console
    from recsys_cl.core.logs import say, set_up
    from recsys_cl.stages.crew import leads
    from recsys_cl.stages.pipeline import assist_pipeline, explain_pipeline, run_pipeline

    structured = set_up(log_format)
    changes, console = tuple(set_ or ()), Console()
    if explain:
        if force:
            raise Refused("--explain does not go with --force: the stage would run, whatever is there")
        _explain(explain_pipeline(pipeline, changes, data_dir, tracking_uri, until, only=only), as_json=as_json)
        return
    if not leads():  # one of several processes that torchrun has started, of which the first does all the talking
        assist_pipeline(pipeline, changes, data_dir, tracking_uri)
        return

    def watch(stage: str, status: str, seconds: float) -> None:
        if structured:
            say("stage", stage=stage, status=status, seconds=round(seconds, 3))
        else:
            console.watch(stage, status, seconds)

    result = run_pipeline(pipeline, changes, data_dir, tracking_uri, watch, until, force, only=only, jobs=jobs, once=once)
    if not structured:
        console.table(result)
    if as_json:
        print(json.dumps(result.as_json(), allow_nan=False))


def _explain(reasons: Sequence[Reason], *, as_json: bool) -> None:
    from recsys_cl.console import Console

    Console().reasons(reasons)
    if as_json:
        print(json.dumps([dataclasses.asdict(reason) for reason in reasons]))


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
    _stage_command(app, "register", "Register the trained recipe that is best on validation.")
