"""Compare the recipes under several ways of splitting the same log."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import typer

from recsys_cl.commands.study import study

if TYPE_CHECKING:
    from rich.table import Table

    from recsys_cl.console import Console
    from recsys_cl.stages.compared import Comparison

CLAIM = "Rank the recipes under each protocol the data can carry, and say how far the protocols agree (Kendall's tau)."


def _work() -> Any:
    from recsys_cl.stages.protocols import compare_protocols

    return compare_protocols


def _show(console: Console, compared: Comparison) -> None:
    from recsys_cl.stages.protocols import JSON, MARKDOWN

    answer = compared.as_json()
    console.out.print(_ranks(answer))
    console.out.print(_taus(answer))
    for name in (JSON, MARKDOWN):
        console.out.print(f"written {compared.folder / name}", markup=False, highlight=False)


def _ranks(answer: dict[str, Any]) -> Table:
    from rich.table import Table

    title = f"{answer['pipeline']}: rank and mean {answer['metric']} on the test part of each protocol"
    table = Table("recipe", *(each["name"] for each in answer["protocols"]), title=title)
    for place, recipe in enumerate(answer["recipes"]):
        row = zip(answer["ranks"], answer["means"], strict=True)
        table.add_row(recipe, *(f"{ranks[place]}  {means[place]:.4f}" for ranks, means in row))
    return table


def _taus(answer: dict[str, Any]) -> Table:
    from rich.table import Table

    names = [each["name"] for each in answer["protocols"]]
    table = Table("Kendall's tau", *names)
    for name, row in zip(names, answer["tau"], strict=True):
        table.add_row(name, *("-" if tau is None else f"{tau:.2f}" for tau in row))
    return table


def attach(app: typer.Typer) -> None:
    """Add `compare-protocols`."""
    app.command("compare-protocols")(study(_work, _show, CLAIM))
