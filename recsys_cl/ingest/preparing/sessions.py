"""Sessions: stretches of one user's events without a long pause."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def sessions(users: NDArray[np.int32], times: NDArray[np.int64], gap: int) -> NDArray[np.int32]:
    """The number of each event's session, from 0 in each user's history, [N].

    ``times`` [N] never fall. A pause of more than ``gap`` ends a session; later events change no earlier number.
    """
    order = np.argsort(users, kind="stable")
    grouped, at = users[order], times[order]
    begins = np.append(True, grouped[1:] != grouped[:-1])[: len(users)]
    paused = np.append(False, at[1:] - at[:-1] > gap)[: len(users)]
    number = np.cumsum(paused)
    starts = np.flatnonzero(begins)
    first = np.repeat(number[starts], np.diff(np.append(starts, len(users))))
    found = np.empty(len(users), dtype=np.int32)
    found[order] = number - first
    return found
