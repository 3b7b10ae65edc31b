"""The map of items: vectors in two dimensions, coloured by category."""

from __future__ import annotations

from collections import Counter

from recsys_cl.reporting.charts.chart import Chart
from recsys_cl.reporting.charts.drawing import Canvas, drawing
from recsys_cl.reporting.charts.marks import HUES, Mark
from recsys_cl.reporting.evidence import ItemMap
from recsys_cl.reporting.table import simple
from recsys_cl.reporting.text import finite

QUIET = Mark(HUES - 1, shape=0)
REST = "other"
"""Categories beyond the most frequent, and items without any."""


def cloud(item_map: ItemMap) -> Chart | None:
    """One dot an item; the seven most frequent categories have a colour, all others are quiet. None without points."""
    known = [point for point in item_map.points if finite(point[0]) and finite(point[1])]
    if not known:
        return None
    counted = Counter(category or REST for _, _, category, _ in known)
    named = [name for name, _ in counted.most_common() if name != REST][: HUES - 1]
    looks = {name: Mark(number) for number, name in enumerate(named)}
    title = f"Items of {item_map.recipe}, {item_map.method}"

    def draw(canvas: Canvas) -> None:
        axes = canvas.axes
        for name in (REST, *named):
            some = [p for p in known if (p[2] if p[2] in looks else REST) == name]
            if some:
                look = {**looks.get(name, QUIET).look, "markeredgewidth": 0, "linestyle": "none"}
                look |= {"markersize": 3.6, "alpha": 0.85} if name in looks else {"markersize": 2.6, "alpha": 0.35}
                (dots,) = axes.plot([p[0] for p in some], [p[1] for p in some], **look)
                canvas.tell(dots, [f"{text} ({category or 'no category'})" for _, _, category, text in some])
        axes.set(xticks=[], yticks=[], aspect="equal", adjustable="datalim")
        axes.spines[:].set_visible(False)
        axes.grid(visible=False)

    shown = [*named, REST] if len(counted) > len(named) else named
    rest = len(known) - sum(counted[name] for name in named)
    table = simple(["category", "items drawn"], [[name, counted[name] if name in looks else rest] for name in shown])
    note = item_map.note if named else f"{item_map.note} No category is known of any."
    said = f"{title}: {len(known):,} items; {note}"
    quiet = [(REST, QUIET)] if REST in shown and named else []
    return Chart(
        title,
        drawing(draw, title, height=4.2),
        said,
        table,
        [*looks.items(), *quiet],
        note,
    )
