"""What stands for a name in every chart: a colour and a shape, so that neither is needed alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

HUES = 8
"""Colours the style sheet has for light and dark, as ``--s0`` to ``--s7``."""
SHAPES = (
    *(("o", "●", "○"), ("s", "■", "□"), ("^", "▲", "△"), ("D", "◆", "◇")),
    *(("v", "▼", "▽"), ("P", "✚", "✛"), ("X", "✖", "✕"), ("*", "★", "☆")),
)
"""Of matplotlib, and as characters, filled and hollow."""
DASHES = ("-", (0, (5, 2)), (0, (1.5, 1.5)))


@dataclass(frozen=True, slots=True)
class Mark:
    """The look of one name: the hue repeats after eight names, shape and filling later."""

    number: int
    shape: int | None = None  # where it is not to follow from the number

    @property
    def hue(self) -> int:
        """Which of the style sheet's colours."""
        return self.number % HUES

    @property
    def colour(self) -> str:
        """A placeholder that `drawing` replaces by the style sheet's variable."""
        return f"#0c0d{self.hue:02x}"

    @property
    def filled(self) -> bool:
        """The first names are filled, the next hollow."""
        return (self.number // HUES) % 2 == 0

    @property
    def glyph(self) -> str:
        """The shape as a character, for legends."""
        _, full, hollow = self._shape
        return full if self.filled else hollow

    @property
    def look(self) -> dict[str, Any]:
        """What matplotlib is told of a marker."""
        face = self.colour if self.filled else "none"
        return {
            "marker": self._shape[0],
            "color": self.colour,
            "markerfacecolor": face,
            "markeredgecolor": self.colour,
            "markeredgewidth": 1.0,
        }

    @property
    def _shape(self) -> tuple[str, str, str]:
        return SHAPES[(self.number if self.shape is None else self.shape) % len(SHAPES)]

    @property
    def dash(self) -> Any:
        """The style of a line."""
        return DASHES[(self.number // HUES) % len(DASHES)]


def marks(names: Sequence[str]) -> dict[str, Mark]:
    """One mark a name, the same in every chart of a page."""
    return {name: Mark(number) for number, name in enumerate(dict.fromkeys(names))}
