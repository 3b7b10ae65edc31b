"""Draws from the planted laws, whole arrays at a time, each by one search in a running total."""

from __future__ import annotations

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from recsys_cl.ingest.synthetic.planted import FOLLOWING, LATELY, Planted

_SPAN = 1 - 2.0**-20
"""Keeps a time of 1 inside its community's stretch of the keys."""


class Drawer:
    """Answers who comes, what they start with and what they take next. Holds no chance of its own."""

    def __init__(self, planted: Planted) -> None:
        self.planted = planted
        self._crowd = _running(planted.activity)
        self._stock = _running(planted.weight)
        self._keys = planted.community + planted.released * _SPAN  # rising: by community, then release
        self._shelf = np.searchsorted(planted.community, np.arange(planted.world.communities + 1)).astype(np.int64)
        self._fame = np.cumsum(planted.fame)
        self._following = np.cumsum(FOLLOWING)[:-1]

    def users(self, rng: Generator, when: NDArray[np.float64]) -> tuple[NDArray[np.int32], NDArray[np.int16]]:
        """Who begins a session at ``when`` [S], among those who have joined, and the community it is about."""
        planted = self.planted
        there = np.searchsorted(planted.joined, when, side="right")
        users = _between(self._crowd, np.zeros_like(there), there, rng.random(len(when)))
        mood = (rng.random(len(when))[:, None] > np.cumsum(planted.liking[users], axis=1)[:, :-1]).sum(axis=1)
        return users, planted.liked[users, mood]

    def first(
        self, rng: Generator, last: NDArray[np.int32], topics: NDArray[np.int16], when: NDArray[np.float64]
    ) -> NDArray[np.int32]:
        """The item that begins a session: the last one (-1: none), one that follows it, or a free draw."""
        world = self.planted.world
        free = self.free(rng, topics, when)
        then = self._successor(rng, last, free, when)
        mood = rng.random(len(when))
        known = last >= 0
        return np.where(known & (mood < world.again), last, np.where(known & (mood > 1 - world.follow), then, free))

    def next(
        self, rng: Generator, items: NDArray[np.int32], topics: NDArray[np.int16], when: NDArray[np.float64]
    ) -> NDArray[np.int32]:
        """The item after ``items`` [S] in a session: one that follows, or a free draw."""
        free = self.free(rng, topics, when)
        then = self._successor(rng, items, free, when)
        return np.where(rng.random(len(items)) < self.planted.world.follow, then, free)

    def _successor(
        self, rng: Generator, items: NDArray[np.int32], free: NDArray[np.int32], when: NDArray[np.float64]
    ) -> NDArray[np.int32]:
        """A successor of each item, or the free draw where that is not released yet."""
        which = np.searchsorted(self._following, rng.random(len(items)), side="right")
        then = self.planted.successors[items, which]
        return np.where(self.planted.released[then] <= when, then, free)

    def free(self, rng: Generator, topics: NDArray[np.int16], when: NDArray[np.float64]) -> NDArray[np.int32]:
        """A draw from each session's community, or from the shop, among what is released."""
        world = self.planted.world
        shop = np.searchsorted(self._fame, rng.random(len(topics)) * self._fame[-1], side="right")
        community = np.where(rng.random(len(topics)) < world.stray, np.minimum(shop, world.communities - 1), topics)
        begin = self._shelf[community]
        end = np.searchsorted(self._keys, community + when * _SPAN, side="right")
        new = np.searchsorted(self._keys, community + (when - LATELY) * _SPAN, side="right")
        fresh = (rng.random(len(topics)) < world.fresh) & (new < end)
        return _between(self._stock, np.where(fresh, np.maximum(new, begin), begin), end, rng.random(len(topics)))


def _running(weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """0, then the running total, [N + 1]."""
    return np.concatenate(([0.0], np.cumsum(weights)))


def _between(
    total: NDArray[np.float64], begin: NDArray[np.int64], end: NDArray[np.int64], luck: NDArray[np.float64]
) -> NDArray[np.int32]:
    """A position in ``begin .. end - 1`` for each ``luck`` in [0, 1), by weight, [S]."""
    at = total[begin] + luck * (total[end] - total[begin])
    return np.clip(np.searchsorted(total, at, side="right") - 1, begin, end - 1).astype(np.int32)
