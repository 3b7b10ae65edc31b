"""Search for the settings of every recipe, baselines included."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import typer

from recsys_cl.commands.study import study

if TYPE_CHECKING:
    from rich.table import Table

    from recsys_cl.console import Console
    from recsys_cl.stages.tuning import Tuning

CLAIM = "Tune every recipe and baseline with the same number of trials, on validation only. Stopped, it goes on from there."


def _work() -> Any:
    from recsys_cl.stages.tuning import tune_pipeline

    return tune_pipeline


def _show(console: Console, result: Tuning) -> None:
    console.out.print(_table(result))
    for recipe in result.recipes:
        if recipe["fragment"]:
            console.out.print(f"best    {recipe['fragment']}", markup=False, highlight=False)


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
    app.command("tune")(study(_work, _show, CLAIM))
