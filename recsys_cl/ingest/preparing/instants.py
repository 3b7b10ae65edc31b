"""Instants and durations as microseconds: read from settings, found in a log's clock, shown to people."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from recsys_cl.core.errors import Refused

_UNITS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}


def instant(text: str, key: str) -> int:
    """Microseconds since 1970 UTC of an ISO 8601 time; without an offset it is UTC."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise Refused(f"{key}: '{text}' is not an ISO 8601 time") from error
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    since = moment - datetime(1970, 1, 1, tzinfo=UTC)
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


def duration(text: str, key: str) -> int:
    """Microseconds of ``"12h"``, ``"7d"``, ``"1.5w"``: a number and one of s, m, h, d, w."""
    found = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)([smhdw])", text, re.ASCII)
    if found is None:
        raise Refused(f"{key}: '{text}' is not a duration such as '12h' or '7d' (s, m, h, d, w)")
    return round(float(found[1]) * _UNITS[found[2]] * 1_000_000)


def nth_from_end(clock: NDArray[np.int64], fraction: float) -> int:
    """The time of the logged event with ``fraction`` of all from it on; ``clock`` [L] never falls."""
    count = min(max(int(len(clock) * fraction + 0.5), 1), len(clock))
    return int(clock[len(clock) - count])


def told(moment: int) -> str:
    """An instant as people read it."""
    return datetime.fromtimestamp(int(moment) / 1e6, tz=UTC).isoformat(timespec="seconds")
