"""Charts as inline SVG that follow the page's colours in light and dark; every chart has a text alternative."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from recsys_cl.reporting.text import plain

if TYPE_CHECKING:
    from matplotlib.axes import Axes

INK = "#010203"
"""Stands for the page's text colour until the SVG is written; matplotlib itself cannot say ``currentColor``."""
LINES = ("#4c78c8", "#e0812d", "#3d9a57", "#c94f4f", "#8a63c0", "#8c6d5a", "#d077b4", "#7f7f7f", "#a8a832", "#2fa7b5")
STYLE = {
    "svg.fonttype": "none",
    "svg.hashsalt": "recsys-cl",
    "font.family": "sans-serif",
    "font.size": 10,
    "text.color": INK,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.alpha": 0.2,
    "grid.color": INK,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "legend.frameon": False,
    "text.parse_math": False,  # names are data: a dollar sign is a dollar sign
    "legend.fontsize": 9,
}


@dataclass(frozen=True, slots=True)
class Chart:
    """One drawing: a title, the SVG, and what it says in words."""

    title: str
    svg: str
    alternative: str


def curves(title: str, lines: Mapping[str, Sequence[tuple[float, float]]], across: str, up: str) -> Chart | None:
    """Lines over epochs, one a name; None where there is nothing to draw."""
    drawn = {name: points for name, points in lines.items() if len(points) > 1}
    if not drawn:
        return None

    def draw(axes: Axes) -> None:
        for colour, (name, points) in zip(_cycle(len(drawn)), drawn.items(), strict=True):
            axes.plot(*zip(*points, strict=True), label=plain(name, 24), color=colour, linewidth=1.6, marker=".", markersize=4)
        axes.set(xlabel=across, ylabel=up)
        axes.legend()

    ends = "; ".join(f"{name} from {points[0][1]:.4g} to {points[-1][1]:.4g}" for name, points in drawn.items())
    return Chart(title, _svg(draw), f"{title}: {ends}.")


def stacks(title: str, bars: Sequence[Mapping[str, float]], names: Sequence[str], across: str, up: str) -> Chart | None:
    """Stacked bars, one a mapping, one layer a name; ``start`` labels a bar, and only a few labels are written."""
    if not bars:
        return None
    totals = {name: sum(bar[name] for bar in bars) for name in names}

    def draw(axes: Axes) -> None:
        floor = [0.0] * len(bars)
        for colour, name in zip(_cycle(len(names)), names, strict=True):
            heights = [float(bar[name]) for bar in bars]
            axes.bar(range(len(bars)), heights, bottom=floor, color=colour, width=0.95, label=name)
            floor = [low + height for low, height in zip(floor, heights, strict=True)]
        step = max(1, len(bars) // 5)
        axes.set_xticks(range(0, len(bars), step), [str(bars[i]["start"])[:10] for i in range(0, len(bars), step)])
        axes.set(xlabel=across, ylabel=up)
        axes.legend()

    said = ", ".join(f"{name} {total:,.0f}" for name, total in totals.items())
    return Chart(title, _svg(draw), f"{title}: {len(bars)} bars; in all {said}.")


def scatter(title: str, points: Mapping[str, tuple[float, float]], across: str, up: str) -> Chart | None:
    """One point a name; a legend beside, since good recipes lie close together."""
    if not points:
        return None

    def draw(axes: Axes) -> None:
        for colour, (name, (x, y)) in zip(_cycle(len(points)), points.items(), strict=True):
            axes.scatter([x], [y], color=colour, s=45, label=plain(name, 24))
        axes.margins(x=0.1, y=0.15)
        axes.set(xlabel=across, ylabel=up)
        axes.figure.legend(loc="outside right upper")

    said = "; ".join(f"{name} at {across} {x:.4f}, {up} {y:.4f}" for name, (x, y) in points.items())
    return Chart(title, _svg(draw), f"{title}: {said}.")


def decay(title: str, values: Sequence[float], across: str, up: str) -> Chart | None:
    """A falling line on logarithmic axes, as for popularity by rank."""
    if len(values) < 2:
        return None

    def draw(axes: Axes) -> None:
        axes.plot(range(1, len(values) + 1), [max(value, 0.5) for value in values], color=LINES[0], linewidth=1.8)
        axes.set(xscale="log", yscale="log", xlabel=across, ylabel=up)

    return Chart(title, _svg(draw), f"{title}: from {values[0]:,.0f} at the head to {values[-1]:,.0f} at the tail.")


def _svg(draw: Callable[[Axes], None]) -> str:
    import matplotlib as mpl
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    settings: Any = STYLE
    with mpl.rc_context(settings):
        figure = Figure(figsize=(6.0, 3.2), layout="constrained")
        FigureCanvasSVG(figure)
        draw(figure.subplots())
        text = io.StringIO()
        figure.savefig(text, format="svg", metadata={"Date": None, "Creator": None})
    body = text.getvalue()
    body = body[body.index("<svg") :].replace(INK, "currentColor")
    body = re.sub(r"<metadata>.*?</metadata>", "", body, flags=re.DOTALL)
    return re.sub(r'<svg [^>]*?viewBox="([^"]+)"[^>]*>', r'<svg viewBox="\1" aria-hidden="true">', body, count=1)


def _cycle(count: int) -> list[str]:
    return [LINES[i % len(LINES)] for i in range(count)]
