"""What else passed between the users and items of train: counts and first times by type of event, as columns of train."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from recsys_cl.ingest.preparing.coded_log import CodedLog
from recsys_cl.ingest.preparing.kcore import distinct


def behaviour_columns(log: CodedLog, train: NDArray[np.int64]) -> dict[str, pa.Array]:
    """For each type of event ``n_TYPE`` (int32) and ``first_TYPE`` (int64 microseconds, null where never), by train row.

    ``train`` are the rows of ``log`` that are in train. Events later than their user's last train row are not counted:
    they may lie in a later part.
    """
    if log.behaviours is None:
        return {}
    found, width = log.behaviours, len(log.item_ids)
    until = np.full(len(log.user_ids), -1, dtype=np.int64)
    np.maximum.at(until, log.users[train], log.times[train])
    rows = log.pairs()[train]
    pairs = distinct(rows)
    of_events = found.users.astype(np.int64) * width + found.items
    place = np.searchsorted(pairs, of_events).clip(max=len(pairs) - 1)
    counted = (pairs[place] == of_events) & (found.times <= until[found.users])
    of_rows = np.searchsorted(pairs, rows)
    columns = {}
    for kind, name in enumerate(found.names):
        chosen = counted & (found.kinds == kind)
        first = np.full(len(pairs), np.iinfo(np.int64).max)
        np.minimum.at(first, place[chosen], found.times[chosen])
        times = np.bincount(place[chosen], minlength=len(pairs)).astype(np.int32)
        columns[f"n_{name}"] = pa.array(times[of_rows])
        columns[f"first_{name}"] = pa.array(first[of_rows], mask=times[of_rows] == 0)
    return columns


def summed_weights(log: CodedLog, parts: NDArray[np.int8], kept: CodedLog) -> NDArray[np.float64]:
    """For each row of ``kept``, its pair's weights in ``log`` until its user's last row of the same part, [N].

    ``parts`` [N] are those of ``kept``; ``log`` is what it was chosen from.
    """
    assert log.weights is not None
    total = np.zeros(len(kept))
    of_events, of_rows = log.pairs(), kept.pairs()
    for part in np.unique(parts):
        rows = np.flatnonzero(parts == part)
        until = np.full(len(log.user_ids), -1, dtype=np.int64)
        np.maximum.at(until, kept.users[rows], kept.times[rows])
        pairs = distinct(of_rows[rows])
        place = np.searchsorted(pairs, of_events).clip(max=len(pairs) - 1)
        counted = (pairs[place] == of_events) & (log.times <= until[log.users])
        sums = np.bincount(place[counted], weights=log.weights[counted], minlength=len(pairs))
        total[rows] = sums[np.searchsorted(pairs, of_rows[rows])]
    return total
