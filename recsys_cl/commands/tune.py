"""Search for the settings of every recipe, baselines included."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from recsys_cl.commands.options import AsJson, Assignments, DataDir, PipelineFile, TrackingUri

if TYPE_CHECKING:
    from rich.table import Table

    from recsys_cl.stages.tuning import Tuning


def tune(
    pipeline: PipelineFile,
    set_: Assignments = None,
    data_dir: DataDir = Path("data"),
    tracking_uri: TrackingUri = None,
    as_json: AsJson = False,
) -> None:
    """Tune every recipe and baseline with the same number of trials, on validation only. Stopped, it goes on from there."""
    from recsys_cl.console import Console
    from recsys_cl.stages.tuning import tune_pipeline

    console = Console()

    def tell(line: str) -> None:
        console.err.print(line, markup=False)

    result = tune_pipeline(pipeline, tuple(set_ or ()), data_dir, tracking_uri, console.watch, tell)
    console.out.print(_table(result))
    for recipe in result.recipes:
        if recipe["fragment"]:
            console.out.print(f"best    {recipe['fragment']}", markup=False, highlight=False)
    if as_json:
        print(json.dumps(result.as_json(), allow_nan=False))


def _table(result: Tuning) -> Table:
    from rich.markup import escape
    from rich.table import Table

    title = f"{result.pipeline}: best of {result.budget} trials by {result.metric} on validation"
    table = Table("recipe", result.metric, "own settings", "trials (pruned, failed)", "epochs", "settings", title=title)
    for recipe in result.recipes:
        best, own = recipe["best"], recipe["own"]
        count = recipe["complete"] + recipe["pruned"] + recipe["failed"]
        settings = ", ".join(f"{key} = {_short(value)}" for key, value in best["values"].items()) if best else recipe["why"]
        table.add_row(
            recipe["recipe"],
            f"{best['value']:.4f}" if best else "-",
            "-" if own is None else f"{own:.4f}",
            f"{count} ({recipe['pruned']}, {recipe['failed']})" if recipe["space"] else "1: nothing to vary",
            str(best["facts"]["epochs"]) if best else "-",
            escape(settings) or "-",
        )
    return table


def _short(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def attach(app: typer.Typer) -> None:
    """Add `tune`."""
    app.command()(tune)
