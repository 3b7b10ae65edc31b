"""Stacked bars over time: how many events each part has in each stretch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from recsys_cl.reporting.charts.chart import Chart
from recsys_cl.reporting.charts.drawing import Canvas, drawing
from recsys_cl.reporting.charts.marks import Mark
from recsys_cl.reporting.table import simple


def periods(
    title: str, stretches: Sequence[Mapping[str, Any]], names: Sequence[str], looks: Mapping[str, Mark], up: str
) -> Chart | None:
    """One bar a stretch, one layer a name; ``start`` (ISO time) labels it, and only a few labels are written."""
    if not stretches or not names:
        return None
    days = [str(stretch["start"])[:10] for stretch in stretches]

    def draw(canvas: Canvas) -> None:
        floor = [0.0] * len(stretches)
        for name in names:
            heights = [float(stretch[name]) for stretch in stretches]
            found = canvas.axes.bar(range(len(heights)), heights, 0.86, floor, color=looks[name].colour)
            for bar, day, height in zip(found, days, heights, strict=True):
                if height:
                    canvas.tell(bar, [f"{day}, {name}: {height:,.0f}"])
            floor = [low + height for low, height in zip(floor, heights, strict=True)]
        step = max(1, len(days) // 4)
        canvas.axes.set_xticks(range(0, len(days), step), days[::step])
        canvas.axes.yaxis.set_major_formatter("{x:,.0f}")
        canvas.axes.margins(x=0.01)
        canvas.label("from", up)

    totals = ", ".join(f"{name} {sum(stretch[name] for stretch in stretches):,.0f}" for name in names)
    said = f"{title}: {len(days)} stretches from {days[0]} to {days[-1]}; in all {totals}."
    table = simple(["from", *names], [[day, *(s[name] for name in names)] for day, s in zip(days, stretches, strict=True)])
    return Chart(title, drawing(draw, title), said, table, [(name, looks[name]) for name in names])
