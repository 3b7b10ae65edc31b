"""Sessions unrolled step by step, a block at a time: all sessions of a block take their next step together.

A block has its own generator, derived from the seed and its number, and a fixed number of events; only each user's last
item is carried from block to block. So memory is bounded by a block, and however the stream is cut, it is the same.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from recsys_cl.core.chance import derive
from recsys_cl.ingest.synthetic.draw import Drawer
from recsys_cl.ingest.synthetic.planted import Planted

VIEW, CART, BUY = 0, 1, 2
EVENTS = ("view", "cart", "buy")

LONGEST = 24
"""A session ends after so many events."""


@dataclass(frozen=True, slots=True, eq=False)
class Events:
    """Events in time order, as positions in ``Planted``."""

    users: NDArray[np.int32]  # [N]
    items: NDArray[np.int32]  # [N]
    seconds: NDArray[np.int64]  # [N] since 1970 UTC
    kinds: NDArray[np.int8]  # [N] positions in ``EVENTS``


def events(planted: Planted) -> Iterator[Events]:
    """The whole log in blocks; blocks follow each other in time but for sessions that last over the seam."""
    world = planted.world
    lengths = _lengths(world.session, count=min(max(world.users // 8, 16), 1 << 15))
    blocks = -(-world.events // int(lengths.sum()))
    drawer = Drawer(planted)
    last = np.full(world.users, -1, dtype=np.int32)
    left = world.events
    for number in range(blocks):
        rng = np.random.default_rng(derive(world.seed, "synthetic", "events", str(number)))
        block = _block(drawer, rng, rng.permutation(lengths), (number / blocks, 1 / blocks), last)
        kept = slice(min(left, len(block.users)))
        yield Events(block.users[kept], block.items[kept], block.seconds[kept], block.kinds[kept])
        left -= len(block.users)


def _lengths(mean: float, count: int) -> NDArray[np.int64]:
    """Session lengths [count]: the quantiles of a geometric law, so that a block's number of events is known beforehand."""
    if mean <= 1:
        return np.ones(count, dtype=np.int64)
    quantiles = (np.arange(count) + 0.5) / count
    lengths = np.ceil(np.log1p(-quantiles) / np.log1p(-1 / mean))
    return np.asarray(np.clip(lengths, 1, LONGEST), dtype=np.int64)


def _block(
    drawer: Drawer, rng: Generator, lengths: NDArray[np.int64], span: tuple[float, float], last: NDArray[np.int32]
) -> Events:
    """One block of sessions; ``last`` [U] is read and brought up to date."""
    world = drawer.planted.world
    when = _daily(span[0] + span[1] * (np.arange(len(lengths)) + rng.random(len(lengths))) / len(lengths), world.days)
    order = np.argsort(-lengths, kind="stable")  # long sessions first: those still open at a step are a prefix
    when, lengths = when[order], lengths[order]
    users, topics = drawer.users(rng, when)
    steps = [drawer.first(rng, last[users], topics, when)]
    for step in range(1, int(lengths[0])):
        still = int(np.searchsorted(-lengths, -step, side="left"))
        steps.append(drawer.next(rng, steps[-1][:still], topics[:still], when[:still]))
    return _in_time(rng, users, steps, world.began + when * world.seconds, last)


def _in_time(
    rng: Generator,
    users: NDArray[np.int32],
    steps: list[NDArray[np.int32]],
    start: NDArray[np.float64],
    last: NDArray[np.int32],
) -> Events:
    clocks = [start.astype(np.int64)]
    for items in steps[1:]:
        pause = 5 + rng.exponential(45.0, len(items)).astype(np.int64)
        clocks.append(clocks[-1][: len(items)] + pause)
    seconds = np.concatenate(clocks)
    rows = np.concatenate([users[: len(items)] for items in steps])
    items = np.concatenate(steps)
    order = np.argsort(seconds, kind="stable")
    rows, items = rows[order], items[order]
    last[rows] = items  # of several the latest stays
    luck = rng.random(len(order))
    kinds = (luck > 0.82).astype(np.int8) + (luck > 0.93).astype(np.int8)
    return Events(rows, items, seconds[order], kinds)


def _daily(share: NDArray[np.float64], days: float) -> NDArray[np.float64]:
    """Time as a share of the duration, from a share of the events: growth, and days busier than nights."""
    grown = share**0.8
    turn = 2 * np.pi * days
    return np.clip(grown - 0.7 * np.sin(turn * grown) / turn, 0.0, 1.0)
