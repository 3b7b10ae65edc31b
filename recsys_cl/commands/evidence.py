"""Is one run better than another? For people, and for a pipeline of continuous integration."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from recsys_cl.commands.options import AsJson, TrackingUri

if TYPE_CHECKING:
    from rich.table import Table

Run = Annotated[str, typer.Argument(help="An MLflow run id, models:/NAME/VERSION, or the folder of an evaluation.")]
_ARROWS = {"higher": "▲", "lower": "▼", "": ""}


def compare(
    run_a: Run,
    run_b: Run,
    require: Annotated[
        list[str] | None,
        typer.Option(
            metavar="CLAIM", help="Exit 1 unless it holds, e.g. 'ndcg@10 > 0 at 95%' or 'recall@20 > -1% at 99%'. Repeatable."
        ),
    ] = None,
    metric: Annotated[
        list[str] | None, typer.Option(help="Divide this by segment; by default what is required, or ndcg. Repeatable.")
    ] = None,
    tracking_uri: TrackingUri = None,
    as_json: AsJson = False,
) -> None:
    """Subtract RUN_B from RUN_A, user by user: every metric, every segment, with intervals.

    Runs of one recipe with four or more seeds, joined by commas, give intervals that hold for other seeds too.
    """
    from recsys_cl.core.chance import generator
    from recsys_cl.stages.duel import compare_two
    from recsys_cl.stages.reference import fetched
    from recsys_cl.stages.replication import compare_replicates
    from recsys_cl.stages.requirement import parse_requirement

    requirements = [parse_requirement(text) for text in require or ()]
    ours, theirs = _runs(run_a), _runs(run_b)
    with fetched((*ours, *theirs), Path(), tracking_uri) as runs:
        if len(runs) == 2:
            found = compare_two(runs[0], runs[1], requirements, metric or (), generator(0, "compare"))
        else:
            found = compare_replicates(runs[: len(ours)], runs[len(ours) :], requirements, metric or ())
    _print(found)
    if as_json:
        print(json.dumps(found, allow_nan=False))
    if not found["holds"]:
        raise typer.Exit(1)


def _runs(text: str) -> list[str]:
    return [text] if Path(text).is_dir() else text.split(",")


def _print(found: Mapping[str, Any]) -> None:
    from recsys_cl.console import Console

    out = Console().out
    seeds = f" and {found['seeds']} seeds" if "seeds" in found else ""
    title = f"{found['a']['name']} minus {found['b']['name']}, paired over {found['users']:,} users{seeds}"
    out.print(_table(title, ("metric",), found["metrics"]))
    if found["segments"]:
        out.print(_table("by segment", ("by", "segment", "users", "metric"), found["segments"]))
    for line in found["left_out"]:
        out.print(f"left out  {line}", markup=False, highlight=False)
    for one in found["requirements"]:
        verdict = "holds" if one["holds"] else "does not hold"
        low, high = one["interval"]
        doubt = "" if one["reliable"] else f"; {one['users']} users, of whom {one['decided']} differ, are too few to say"
        line = f"{one['requirement']}: {verdict} ({one['difference']:+.4f} [{low:+.4f}, {high:+.4f}]{doubt})"
        out.print(line, markup=False, highlight=False)


def _table(title: str, keys: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> Table:
    from rich.markup import escape
    from rich.table import Table

    columns = (*keys, "A", "B", "A - B", "95 %", "relative", "p (Holm)", "effect", "")
    table = Table(*columns, title=escape(title), caption="▲ ▼ significant; ? too few users for the interval to be relied on")
    for row in rows:
        low, high = row["interval"]
        numbers = (f"{row['a']:.4f}", f"{row['b']:.4f}", f"{row['difference']:+.4f}", f"[{low:+.4f}, {high:+.4f}]")
        relative = "-" if row["relative"] is None else f"{row['relative']:+.1%}"
        effect = "-" if row["effect_size"] is None else f"{row['effect_size']:+.2f}"
        mark = _ARROWS[row["mark"]] if row["reliable"] else "?"
        cells = (*(str(row[key]) for key in keys), *numbers, relative, f"{row['adjusted_p']:.3g}", effect, mark)
        table.add_row(*map(escape, cells))
    return table


def attach(app: typer.Typer) -> None:
    """Add `compare`."""
    app.command()(compare)
