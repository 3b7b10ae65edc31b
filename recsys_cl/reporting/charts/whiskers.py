"""Differences with their intervals, one row a recipe, beside the line of no difference."""

from __future__ import annotations

from collections.abc import Sequence

from recsys_cl.reporting.charts.chart import Chart
from recsys_cl.reporting.charts.drawing import INK, PAPER, SOFT, Canvas, drawing
from recsys_cl.reporting.evidence import Difference
from recsys_cl.reporting.table import Cell, simple
from recsys_cl.reporting.text import figure, finite, percent, plain

NOTE = "Filled where significant after Holm's correction for the whole table; the intervals themselves are not corrected."


def whiskers(title: str, differences: Sequence[Difference], baseline: str) -> Chart | None:
    """Mean and 95 % interval of each difference to ``baseline``, the greatest on top; None without a finite one."""
    known = sorted((d for d in differences if all(map(finite, (d.mean, d.low, d.high)))), key=lambda d: d.mean)
    if not known:
        return None

    def draw(canvas: Canvas) -> None:
        axes = canvas.axes
        axes.axvline(0, color=SOFT, linewidth=1)
        for row, d in enumerate(known):
            colour = INK if d.mark else SOFT
            axes.plot([d.low, d.high], [row, row], color=colour, linewidth=1.6, solid_capstyle="round")
            face = colour if d.mark else PAPER
            (dot,) = axes.plot([d.mean], [row], "o", markersize=6, markerfacecolor=face, markeredgecolor=colour)
            canvas.tell(dot, [_said(d)])
        axes.set_yticks(range(len(known)), [plain(d.recipe, 22) for d in known])
        axes.tick_params(axis="y", labelcolor=INK)
        axes.margins(y=0.6 / len(known))
        axes.locator_params(axis="x", nbins=5)
        axes.grid(visible=True, axis="x")
        axes.grid(visible=False, axis="y")
        canvas.label(f"difference in {known[0].metric} to {baseline}")

    heads = ["recipe", "difference", "low", "high", "relative", "p (Holm)", "effect d"]
    table = simple(heads, [[d.recipe, *map(Cell, _fields(d))] for d in reversed(known)])
    height = 0.9 + 0.3 * len(known)
    return Chart(title, drawing(draw, title, height=height), " ".join(map(_said, reversed(known))), table, note=NOTE)


def _fields(d: Difference) -> list[str]:
    absolute = [figure(value, "+.4f") for value in (d.mean, d.low, d.high)]
    return [*absolute, percent(d.relative, "+.1f"), figure(d.p, ".3g"), figure(d.effect, ".2f")]


def _said(d: Difference) -> str:
    return (
        f"{d.recipe}: {figure(d.mean, '+.4f')} [{figure(d.low, '+.4f')}, {figure(d.high, '+.4f')}], p = {figure(d.p, '.3g')}."
    )
