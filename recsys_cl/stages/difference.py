"""A paired difference as plain values, and the one mark that may be put beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from recsys_cl.evaluation.compare import Difference

LEVEL = 0.05
"""Of a test; intervals hold the other 95 %."""

UNCOMPARED: dict[str, Any] = {
    **dict.fromkeys(("difference", "interval", "relative", "relative_interval", "p", "p_flipped", "adjusted_p")),
    **dict.fromkeys(("effect_size", "decided", "reliable")),
    "mark": "",
}
"""What `describe` would say where there is nothing to compare with."""


def describe(found: Difference, against: float) -> dict[str, Any]:
    """A difference as JSON-able values; ``against`` is the mean of what was subtracted."""
    one = found.interval
    ends = [one.low, one.high]
    return {
        "difference": one.mean,
        "interval": ends,
        "relative": one.mean / against if against else None,
        "relative_interval": [end / against for end in ends] if against else None,
        "p": found.p,
        "p_flipped": found.flipped,
        "adjusted_p": found.adjusted,
        "effect_size": found.effect if np.isfinite(found.effect) else None,
        "decided": found.decided,
        "reliable": found.reliable,
        "mark": _mark(found),
    }


def _mark(found: Difference) -> str:
    """Only what the test *and* the interval say, of users enough to say it."""
    if not found.reliable or found.adjusted > LEVEL or found.interval.low <= 0 <= found.interval.high:
        return ""
    return "higher" if found.interval.mean > 0 else "lower"
