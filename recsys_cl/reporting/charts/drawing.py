"""Matplotlib draws, the page colours: placeholders become the style sheet's variables, and marks get hover values."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

from recsys_cl.reporting.charts.marks import HUES
from recsys_cl.reporting.text import plain

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes

INK, SOFT, LINE, PAPER = "#010203", "#010204", "#010205", "#010206"
"""Stand for the page's text, quiet text, rules and ground until the SVG is written; matplotlib cannot say ``currentColor``."""
COLOURS = {INK: "currentColor", SOFT: "var(--soft)", LINE: "var(--line)", PAPER: "var(--paper)"}
COLOURS |= {f"#0c0d{n:02x}": f"var(--s{n})" for n in range(HUES)}
STYLE = {
    "svg.fonttype": "none",  # text stays text, in the page's own typeface
    "font.family": "sans-serif",
    "font.size": 10,
    "text.color": INK,
    "text.parse_math": False,  # names are data: a dollar sign is a dollar sign
    "axes.edgecolor": LINE,
    "axes.labelcolor": SOFT,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.spines.left": False,
    "axes.axisbelow": True,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "axes.formatter.useoffset": False,
    "axes.unicode_minus": True,
    "grid.color": LINE,
    "grid.linewidth": 0.7,
    "xtick.color": LINE,
    "ytick.color": LINE,
    "xtick.labelcolor": SOFT,
    "ytick.labelcolor": SOFT,
    "xtick.minor.size": 0,
    "ytick.minor.size": 0,
    "ytick.major.size": 0,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "date.converter": "concise",
    "lines.linewidth": 1.5,
}
_SVG, _XLINK = "http://www.w3.org/2000/svg", "{http://www.w3.org/1999/xlink}href"


@dataclass(frozen=True, slots=True)
class Canvas:
    """One set of axes, and what is said when a mark is pointed at."""

    axes: Axes
    titles: dict[str, list[str]] = field(default_factory=dict)

    def tell(self, artist: Artist, titles: Iterable[str]) -> None:
        """Let each mark of ``artist``, in the order of its points, say its title."""
        name = f"told-{len(self.titles)}"
        artist.set_gid(name)
        self.titles[name] = [plain(title, 240) for title in titles]

    def label(self, across: str, up: str = "") -> None:
        """Name the axes: ``up`` lies flat above the axis, where it is read without turning the head."""
        self.axes.set_xlabel(plain(across, 60), loc="right", fontsize=9)
        self.axes.set_title(plain(up, 60), loc="left", fontsize=9, color=SOFT, pad=8)


def drawing(draw: Callable[[Canvas], None], salt: str, width: float = 4.7, height: float = 2.9) -> str:
    """One SVG element, ``width`` by ``height`` inches of 72 units each; ids within it are made from ``salt``."""
    import matplotlib as mpl
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    settings: Any = {**STYLE, "svg.hashsalt": salt}
    with mpl.rc_context(settings):
        figure = Figure(figsize=(width, height), layout="constrained")
        FigureCanvasSVG(figure)
        canvas = Canvas(figure.subplots())
        draw(canvas)
        text = io.StringIO()
        figure.savefig(text, format="svg", metadata={"Date": None, "Creator": None})
    return _finished(text.getvalue(), canvas.titles)


def _finished(text: str, titles: dict[str, list[str]]) -> str:
    """Put titles on the marks, and strip what the page has of its own or nothing points at."""
    ET.register_namespace("", _SVG)
    root = ET.fromstring(text[text.index("<svg") :])
    root.attrib = {"viewBox": root.attrib["viewBox"], "class": "chart", "aria-hidden": "true", "focusable": "false"}
    for parent in list(root.iter()):
        for child in [each for each in parent if each.tag == f"{{{_SVG}}}metadata" or each.find("{*}style") is not None]:
            parent.remove(child)
        if parent.get("id") in titles:
            _tell(parent, titles[parent.attrib["id"]])
    pointed = set(re.findall(r"#([\w-]+)", " ".join(value for e in root.iter() for value in e.attrib.values())))
    for element in root.iter():
        if element.get("id") not in pointed:
            element.attrib.pop("id", None)
        if _XLINK in element.attrib:
            element.set("href", element.attrib.pop(_XLINK))
        _restyle(element)
    body = ET.tostring(root, encoding="unicode")
    return re.sub("|".join(COLOURS), lambda found: COLOURS[found[0]], body)


def _tell(group: ET.Element, titles: list[str]) -> None:
    """Markers are one ``use`` each; a bar is one ``path``."""
    group.set("class", "told")
    drawn = list(group.iter(f"{{{_SVG}}}use")) or [e for e in group.iter(f"{{{_SVG}}}path")]
    if len(drawn) != len(titles):
        raise ValueError(f"{len(drawn)} marks were drawn for {len(titles)} values")
    for mark, title in zip(drawn, titles, strict=True):
        ET.SubElement(mark, f"{{{_SVG}}}title").text = title


def _restyle(element: ET.Element) -> None:
    """Sizes stay, typefaces are the page's, and white space between elements means nothing."""
    element.text, element.tail = (element.text or "").strip() or None, None
    style = element.get("style", "")
    if "font" in style:
        element.set("style", re.sub(r"font: (?:[\w]+ )?([\d.]+px)[^;]*", r"font-size: \1", style))
