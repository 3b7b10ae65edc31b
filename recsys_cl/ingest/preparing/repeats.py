"""Repeats of one user with one item: keep the first, the last, all, or the one that makes their sum weigh enough."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from recsys_cl.core.errors import Refused
from recsys_cl.ingest.prepare import Repeats
from recsys_cl.ingest.preparing.coded_log import CodedLog


def keep_one(log: CodedLog, repeats: Repeats, min_weight: float | None = None) -> NDArray[np.bool_]:
    """Which interactions stay, [N].

    Decided before the split. With ``first`` an item that a user has met is never a target again, and no later event
    can change what an earlier part holds. ``last`` looks ahead: a pair met again leaves its earlier place. ``sum`` keeps
    the first interaction at which the pair's weights so far reach ``min_weight``, which no later event changes either.
    """
    if repeats == "keep":
        return np.ones(len(log), dtype=np.bool_)
    pairs, order = _grouped(log.pairs())
    changes = np.empty(len(log) + 1, dtype=np.bool_)
    changes[0] = changes[-1] = True
    np.not_equal(pairs[1:], pairs[:-1], out=changes[1:-1])
    rows = np.zeros(len(log), dtype=np.bool_)
    if repeats == "sum" and min_weight is not None:
        rows[order[_reaching(_weights(log)[order], np.flatnonzero(changes), min_weight)]] = True
        return rows
    rows[order[changes[:-1] if repeats != "last" else changes[1:]]] = True
    return rows


def _grouped(pairs: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The pairs in rising order and the rows they come from; rows come in time order, and equal pairs stay in it.

    ``pairs`` [N] is overwritten: a second array of that size would be the most memory that preparing takes.

    Where a pair and its row fit into one number, sorting numbers is several times faster than sorting places.
    """
    bits = len(pairs).bit_length()
    if int(pairs.max(initial=0)).bit_length() + bits > 63:
        order = np.argsort(pairs, kind="stable")
        return pairs[order], order
    pairs <<= bits
    pairs |= np.arange(len(pairs))
    pairs.sort()
    order = pairs & ((1 << bits) - 1)
    pairs >>= bits
    return pairs, order


def _weights(log: CodedLog) -> NDArray[np.float64]:
    if log.weights is None:
        raise Refused("prepare.min_weight: the log has no column 'weight', and prepare.events gives no weights")
    return log.weights


def _reaching(weights: NDArray[np.float64], bounds: NDArray[np.int64], enough: float) -> NDArray[np.int64]:
    """The first place in each stretch, from one of ``bounds`` to the next, at which the weights so far sum to ``enough``."""
    weights = np.minimum(weights, enough)  # more makes no difference here, and could overflow
    total = np.append(0.0, np.cumsum(weights))
    lengths = np.diff(bounds)
    so_far = total[1:] - np.repeat(total[bounds[:-1]], lengths)
    before = so_far - weights
    margin = 1e-9 * max(1.0, float(total[-1]))  # sums of tenths are no exact numbers
    return np.flatnonzero((so_far >= enough - margin) & (before < enough - margin) & (weights > 0))
