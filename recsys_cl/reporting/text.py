"""Text from data, made fit to be shown."""

from __future__ import annotations

LONGEST = 160
"""Characters of a title that are shown; the rest becomes an ellipsis."""


def plain(text: object, longest: int = LONGEST) -> str:
    """Text from data as it may be shown: one line, of bounded length, without characters that reorder or hide others."""
    line = "".join(c if c.isprintable() else " " for c in str(text))
    return line if len(line) <= longest else f"{line[: longest - 1]}…"
