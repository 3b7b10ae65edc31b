"""Each interaction's place in its user's history, counted from the end."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from recsys_cl.core.errors import Refused


def from_last(users: NDArray[np.int32], key: NDArray[np.uint64] | None = None) -> NDArray[np.int64]:
    """0 for a user's last interaction, 1 for the one before, ..., [N].

    The order within a user is that of the rows; with ``key`` [N] it is that of the key, rows deciding ties.
    """
    order = np.argsort(users, kind="stable") if key is None else np.lexsort((key, users))
    ends = np.cumsum(np.bincount(users))
    places = np.empty(len(users), dtype=np.int64)
    places[order] = ends[users[order]] - 1 - np.arange(len(users))
    return places


def lengths(users: NDArray[np.int32]) -> NDArray[np.int64]:
    """How many interactions each interaction's user has, [N]."""
    return np.asarray(np.bincount(users)[users], dtype=np.int64)


def share(count: NDArray[np.int64], fraction: float) -> NDArray[np.int64]:
    """``fraction`` of each ``count``, rounded down, safe from 0.29 * 100 = 28.999…."""
    return np.asarray(np.floor(count * fraction + 1e-9), dtype=np.int64)


def check_fraction(fraction: float, key: str) -> float:
    """Refuse what is no proper fraction."""
    if not 0 < fraction < 1:
        raise Refused(f"{key}: must lie between 0 and 1, got {fraction}")
    return fraction
