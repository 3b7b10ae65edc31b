"""Text and numbers from data, made fit to be shown."""

from __future__ import annotations

import math
import re
from typing import Any

LONGEST = 160
"""Characters of a title that are shown; the rest becomes an ellipsis."""
ABSENT = "\u2013"
"""Stands where there is no number."""


def plain(text: object, longest: int = LONGEST) -> str:
    """Text from data as it may be shown: one line, of bounded length, without characters that reorder or hide others."""
    line = "".join(c if c.isprintable() else " " for c in str(text)[: longest + 1])
    return line if len(line) <= longest else f"{line[: longest - 1]}…"


def typeset(text: str) -> str:
    """A sentence whose negative numbers have a minus sign, not a hyphen, and whose percentages and intervals do not break."""
    signed = re.sub(r"(?<![\w-])-(?=\d)", "\u2212", text)
    return re.sub(r"(\[[^\s\]]+,) (?=[^\s\]]+\])", "\\1\u00a0", re.sub(r"(?<=\d) %", "\u00a0%", signed))


def finite(value: Any) -> bool:
    """Whether ``value`` is a number that may be printed."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def figure(value: Any, form: str = ".4f") -> str:
    """A number in one form; a dash for what is none, NaN and infinity included. The minus sign is as wide as a plus."""
    return format(value, form).replace("-", "\u2212") if finite(value) else ABSENT


def between(low: Any, high: Any) -> str:
    """An interval, its ends apart by a dash."""
    return f"{figure(low)} {ABSENT} {figure(high)}"


def percent(value: Any, form: str = ".1f") -> str:
    """A share as a percentage."""
    return f"{figure(100 * value, form)}\u00a0%" if finite(value) else ABSENT


def compact(value: Any) -> str:
    """A number of unknown size with four digits that matter; text stays text."""
    if value is None:
        return ABSENT
    if isinstance(value, float):
        return figure(value, ",.0f" if abs(value) >= 1000 else ".4g")
    return f"{value:,}".replace("-", "\u2212") if finite(value) else plain(value)


def duration(seconds: float) -> str:
    """Seconds as a person says them."""
    if not finite(seconds):
        return ABSENT
    return f"{seconds:.1f} s" if seconds < 90 else f"{seconds / 60:.1f} min"
