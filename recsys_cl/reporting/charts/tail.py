"""The long tail: how often each item was met, by rank, on logarithmic axes."""

from __future__ import annotations

from collections.abc import Sequence

from recsys_cl.reporting.charts.chart import Chart
from recsys_cl.reporting.charts.drawing import Canvas, drawing
from recsys_cl.reporting.charts.marks import Mark
from recsys_cl.reporting.table import simple

ROWS = 12
"""Rows of the table, evenly spaced among the points."""


def tail(title: str, points: Sequence[tuple[int, int]], up: str) -> Chart | None:
    """A falling line through (rank, count), both from 1; None with fewer than two points."""
    if len(points) < 2:
        return None

    def draw(canvas: Canvas) -> None:
        from matplotlib.ticker import NullFormatter

        axes = canvas.axes
        look = {**Mark(0).look, "marker": "."}
        (line,) = axes.plot(*zip(*[(rank, max(n, 0.5)) for rank, n in points], strict=True), markersize=3, **look)
        canvas.tell(line, [f"rank {rank:,}: {n:,} {up}" for rank, n in points])
        axes.set(xscale="log", yscale="log")
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_formatter("{x:,g}")
            axis.set_minor_formatter(NullFormatter())
        canvas.label("rank of the item", up)

    some = points[:: max(1, len(points) // ROWS)]
    said = f"{title}: from {points[0][1]:,} {up} at rank {points[0][0]:,} to {points[-1][1]:,} at rank {points[-1][0]:,}."
    return Chart(title, drawing(draw, title), said, simple(["rank", up], [[f"{rank:,}", n] for rank, n in some]))
