"""The k-core: the largest set of users and items in which each still meets enough of the others."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from recsys_cl.ingest.prepare import KCore


def kcore(users: NDArray[np.int32], items: NDArray[np.int32], bounds: KCore, *, repeated: bool = True) -> NDArray[np.bool_]:
    """Which of the interactions ``users`` [N], ``items`` [N] lie in the core, [N].

    Removal goes on to a fixpoint, on distinct pairs: a repeat is no second partner. The answer is unique, whatever
    the order of removal (Seidman, 1983, Network structure and minimum degree). Each round is one pass over the
    pairs left, without a table of neighbours: logs need few rounds and memory is what runs out first.
    ``repeated`` is false where the pairs are known to be distinct, which saves looking for repeats.
    """
    if len(users) == 0 or (bounds.users <= 1 and bounds.items <= 1):
        return np.ones(len(users), dtype=np.bool_)
    left_users, left_items = _distinct(users, items, int(items.max()) + 1) if repeated else (users, items)
    user_degrees, item_degrees = np.bincount(left_users), np.bincount(left_items)
    while True:
        alive_users, alive_items = user_degrees >= bounds.users, item_degrees >= bounds.items
        stay = alive_users[left_users] & alive_items[left_items]
        if stay.all():
            return np.asarray(alive_users[users] & alive_items[items])
        gone = ~stay  # few, after the first round: counting them is cheaper than counting again what stays
        user_degrees -= np.bincount(left_users[gone], minlength=len(user_degrees))
        item_degrees -= np.bincount(left_items[gone], minlength=len(item_degrees))
        left_users, left_items = left_users[stay], left_items[stay]


def _distinct(users: NDArray[np.int32], items: NDArray[np.int32], widths: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    pairs = distinct(users.astype(np.int64) * widths + items)
    return pairs // widths, pairs % widths


def distinct(values: NDArray[np.int64]) -> NDArray[np.int64]:
    """The distinct values in rising order; many times faster than ``np.unique`` where most values differ."""
    ordered = np.sort(values)
    first = np.ones(len(ordered), dtype=np.bool_)
    np.not_equal(ordered[1:], ordered[:-1], out=first[1:])
    return ordered[first]
