"""Grouped bars: one group a segment, one bar a recipe."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from recsys_cl.reporting.charts.chart import Chart
from recsys_cl.reporting.charts.drawing import PAPER, Canvas, drawing
from recsys_cl.reporting.charts.marks import Mark
from recsys_cl.reporting.table import simple
from recsys_cl.reporting.text import compact, figure, finite, plain


def bars(
    title: str,
    groups: Sequence[str],
    heights: Mapping[str, Sequence[float | None]],
    looks: Mapping[str, Mark],
    up: str,
    across: str = "",
) -> Chart | None:
    """One bar for each name in each group, ``heights[name]`` [groups], hollow where its mark is; None where none is finite."""
    if not any(finite(height) for row in heights.values() for height in row):
        return None
    width = 0.84 / len(heights)

    def draw(canvas: Canvas) -> None:
        for place, (name, row) in enumerate(heights.items()):
            for group, height in enumerate(row):
                if finite(height):
                    look, left = looks[name], group - 0.42 + width * (place + 0.5)
                    face = look.colour if look.filled else PAPER
                    (bar,) = canvas.axes.bar(
                        left, height or 0.0, width * 0.82, color=face, edgecolor=look.colour, linewidth=0.8
                    )
                    canvas.tell(bar, [f"{name}, {groups[group]}: {_value(height)}"])
        canvas.axes.set_xticks(range(len(groups)), [plain(group, 22) for group in groups])
        if all(isinstance(height, int) for row in heights.values() for height in row):
            canvas.axes.yaxis.set_major_formatter("{x:,.0f}")
        canvas.axes.tick_params(axis="x", length=0, labelsize=10 if len(groups) <= 10 else 8)
        canvas.label(across, up)

    said = f"{title}: " + "; ".join(
        f"{name} " + ", ".join(f"{group} {_value(height)}" for group, height in zip(groups, row, strict=True))
        for name, row in heights.items()
    )
    columns = zip(*heights.values(), strict=True)
    table = simple(["", *heights], [[group, *column] for group, column in zip(groups, columns, strict=True)])
    legend = [(name, looks[name]) for name in heights] if len(heights) > 1 else []
    return Chart(title, drawing(draw, title), f"{said}.", table, legend)


def _value(height: float | None) -> str:
    return compact(height) if isinstance(height, int) else figure(height)
