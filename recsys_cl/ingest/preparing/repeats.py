"""Repeats of one user with one item: keep the first, the last, or all."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from recsys_cl.ingest.prepare import Repeats
from recsys_cl.ingest.preparing.coded_log import CodedLog


def keep_one(log: CodedLog, repeats: Repeats) -> NDArray[np.bool_]:
    """Which interactions stay, [N].

    Decided before the split. With ``first`` an item that a user has met is never a target again, and no later event
    can change what an earlier part holds. ``last`` looks ahead: a pair met again leaves its earlier place.
    """
    if repeats == "keep":
        return np.ones(len(log), dtype=np.bool_)
    pairs = log.pairs()
    order = np.argsort(pairs, kind="stable")  # rows come in time order, so equal pairs stay in it
    changes = np.empty(len(log) + 1, dtype=np.bool_)
    changes[0] = changes[-1] = True
    np.not_equal(pairs[order[1:]], pairs[order[:-1]], out=changes[1:-1])
    rows = np.zeros(len(log), dtype=np.bool_)
    rows[order[changes[:-1] if repeats == "first" else changes[1:]]] = True
    return rows
