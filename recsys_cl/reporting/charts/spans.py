"""The split as a picture: which stretch of time each part covers."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from recsys_cl.reporting.charts.chart import Chart
from recsys_cl.reporting.charts.drawing import INK, Canvas, drawing
from recsys_cl.reporting.charts.marks import Mark
from recsys_cl.reporting.table import simple


def spans(title: str, parts: Mapping[str, Mapping[str, Any]], looks: Mapping[str, Mark]) -> Chart | None:
    """One bar a part from its ``first`` to its ``last`` time, with its ``interactions``; None where no part has times."""
    known = {name: part for name, part in parts.items() if part.get("first") and part.get("last")}
    if not known:
        return None

    def draw(canvas: Canvas) -> None:
        axes = canvas.axes
        for row, (name, part) in enumerate(reversed(known.items())):
            first, last = (datetime.fromisoformat(part[end]) for end in ("first", "last"))
            length: Any = max(last - first, timedelta(minutes=1))
            start: Any = first
            (bar,) = axes.barh(row, length, 0.5, left=start, color=looks[name].colour)
            canvas.tell(bar, [_said(name, part)])
        axes.set_yticks(range(len(known)), [f"{name}  {known[name]['interactions']:,}" for name in reversed(known)])
        axes.tick_params(axis="y", labelcolor=INK)
        axes.grid(visible=False, axis="y")
        axes.grid(visible=True, axis="x")

    table = simple(
        ["part", "interactions", "first", "last"],
        [[name, part["interactions"], part["first"], part["last"]] for name, part in known.items()],
    )
    said = f"{title}: " + "; ".join(_said(name, part) for name, part in known.items()) + "."
    return Chart(title, drawing(draw, title, height=0.8 + 0.45 * len(known)), said, table)


def _said(name: str, part: Mapping[str, Any]) -> str:
    return f"{name}, {part['interactions']:,} interactions from {str(part['first'])[:10]} to {str(part['last'])[:10]}"
