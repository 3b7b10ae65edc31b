"""Lines: one a name, over epochs or depths."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from recsys_cl.reporting.charts.chart import Chart
from recsys_cl.reporting.charts.drawing import Canvas, drawing
from recsys_cl.reporting.charts.marks import Mark
from recsys_cl.reporting.table import Table, form, simple
from recsys_cl.reporting.text import compact, figure, finite

Points = Sequence[tuple[float, float]]
MOST = 100
"""Points of a line that are drawn; of longer ones every n-th and the last."""


def lines(title: str, series: Mapping[str, Points], looks: Mapping[str, Mark], across: str, up: str) -> Chart | None:
    """One line a name through its points (x, y), without those that are not finite; None where no name has two of them."""
    drawn = {name: kept for name, points in series.items() if len(kept := _thin(points)) > 1}
    if not drawn:
        return None

    reading = form([y for points in drawn.values() for _, y in points])

    def draw(canvas: Canvas) -> None:
        for name, points in drawn.items():
            look = looks[name]
            size = 3.6 if len(points) <= 40 else 2.4
            (line,) = canvas.axes.plot(*zip(*points, strict=True), linestyle=look.dash, markersize=size, **look.look)
            canvas.tell(line, [f"{name}, {across} {compact(x)}: {figure(y, reading)}" for x, y in points])
        canvas.axes.margins(x=0.02, y=0.08)
        canvas.axes.locator_params(axis="x", integer=True)
        canvas.axes.locator_params(axis="y", nbins=6)
        canvas.label(across, up)

    ends = "; ".join(
        f"{name} from {figure(points[0][1], reading)} to {figure(points[-1][1], reading)}" for name, points in drawn.items()
    )
    said = f"{title}: {ends}."
    return Chart(title, drawing(draw, title), said, _table(drawn, across), [(name, looks[name]) for name in drawn])


def _thin(points: Points) -> list[tuple[float, float]]:
    known = [(x, y) for x, y in points if finite(x) and finite(y)]
    step = -(-len(known) // MOST)
    return known[:: step or 1] + ([known[-1]] if known and (len(known) - 1) % (step or 1) else [])


def _table(drawn: Mapping[str, Points], across: str) -> Table:
    at = sorted({x for points in drawn.values() for x, _ in points})
    values = {name: dict(points) for name, points in drawn.items()}
    return simple([across, *drawn], [[compact(x), *(values[name].get(x) for name in drawn)] for x in at])
