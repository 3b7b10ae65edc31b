"""A scatter: one point a name, labelled where it lies."""

from __future__ import annotations

from collections.abc import Mapping

from recsys_cl.reporting.charts.chart import Chart
from recsys_cl.reporting.charts.drawing import Canvas, drawing
from recsys_cl.reporting.charts.marks import Mark
from recsys_cl.reporting.table import simple
from recsys_cl.reporting.text import compact, figure, finite


def points(
    title: str, places: Mapping[str, tuple[float, float]], looks: Mapping[str, Mark], across: str, up: str
) -> Chart | None:
    """One point (x, y) a name; None without any. A place that is not finite is left out."""
    drawn = {name: (x, y) for name, (x, y) in places.items() if finite(x) and finite(y)}
    if not drawn:
        return None

    def draw(canvas: Canvas) -> None:
        for name, (x, y) in drawn.items():
            (dot,) = canvas.axes.plot([x], [y], linestyle="none", markersize=8, **looks[name].look)
            canvas.tell(dot, [f"{name}: {across} {compact(x)}, {up} {figure(y)}"])
        canvas.axes.margins(x=0.08, y=0.12)
        canvas.axes.locator_params(nbins=6)
        canvas.axes.grid(visible=True, axis="both")
        canvas.label(across, up)

    said = f"{title}: " + "; ".join(f"{name} at {compact(x)}, {figure(y)}" for name, (x, y) in drawn.items()) + "."
    table = simple(["recipe", across, up], [[name, x, y] for name, (x, y) in drawn.items()])
    return Chart(title, drawing(draw, title), said, table, [(name, looks[name]) for name in drawn])
