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
    pairs, order = _grouped(log.pairs())
    changes = np.empty(len(log) + 1, dtype=np.bool_)
    changes[0] = changes[-1] = True
    np.not_equal(pairs[1:], pairs[:-1], out=changes[1:-1])
    rows = np.zeros(len(log), dtype=np.bool_)
    rows[order[changes[:-1] if repeats == "first" else changes[1:]]] = True
    return rows


def _grouped(pairs: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The pairs in rising order and the rows they come from; rows come in time order, and equal pairs stay in it.

    Where a pair and its row fit into one number, sorting numbers is several times faster than sorting places.
    """
    bits = len(pairs).bit_length()
    if int(pairs.max(initial=0)).bit_length() + bits > 63:
        order = np.argsort(pairs, kind="stable")
        return pairs[order], order
    packed = (pairs << bits) | np.arange(len(pairs))
    packed.sort()
    return packed >> bits, packed & ((1 << bits) - 1)
