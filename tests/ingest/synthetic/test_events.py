"""The stream of events: exact in number, orderly in time, equal for equal worlds, and telling of taste and order."""

from __future__ import annotations

from itertools import islice

import numpy as np
import pytest

from recsys_cl.ingest.synthetic.events import EVENTS, Events, events
from recsys_cl.ingest.synthetic.planted import plant
from recsys_cl.ingest.synthetic.world import World

WORLD = World(users=500, items=300, events=30_000, communities=6)


def whole(blocks):
    blocks = list(blocks)
    return Events(
        *(np.concatenate([getattr(block, name) for block in blocks]) for name in ("users", "items", "seconds", "kinds"))
    )


LOG, TRUTH = whole(events(plant(WORLD))), plant(WORLD)


@pytest.mark.parametrize("count", [1, 999, 30_000])
def test_the_number_of_events_is_exact(count):
    assert len(whole(events(plant(World(users=50, items=30, events=count)))).users) == count


def test_equal_worlds_give_equal_streams_however_far_they_are_read():
    again = whole(islice(events(plant(WORLD)), 3))
    for name in ("users", "items", "seconds", "kinds"):
        assert getattr(again, name).tolist() == getattr(LOG, name)[: len(again.users)].tolist()
    other = whole(events(plant(World(**{**WORLD.model_dump(), "seed": 8}))))
    assert other.items.tolist() != LOG.items.tolist()
    assert other.kinds.tolist() != LOG.kinds.tolist()  # drawn with the events alone, whatever was planted


def test_nobody_meets_what_is_not_released_nor_comes_before_joining():
    share = (LOG.seconds - WORLD.began) / WORLD.seconds
    slack = 24 * 600 / WORLD.seconds  # a session draws at its start, its later events are later
    assert (TRUTH.joined[LOG.users] <= share + 1 / WORLD.seconds).all()
    assert (TRUTH.released[LOG.items] <= share + slack).all()


def test_time_runs_from_start_to_end():
    assert LOG.seconds.min() >= WORLD.began
    assert WORLD.seconds * 0.95 < LOG.seconds.max() - WORLD.began < WORLD.seconds * 1.01
    halves = np.bincount((LOG.seconds - WORLD.began > WORLD.seconds / 2).astype(int))
    assert halves[1] > 1.2 * halves[0]  # the shop grows
    hours = np.bincount((LOG.seconds - WORLD.began) // 3600 % 24, minlength=24)
    assert hours.max() > 2 * hours.min()  # and sleeps


def test_most_events_are_of_liked_communities():
    liked = (TRUTH.community[LOG.items][:, None] == TRUTH.liked[LOG.users]).any(axis=1)
    assert liked.mean() > 0.85


def test_the_next_item_often_follows_from_the_current_one():
    order = np.lexsort((LOG.seconds, LOG.users))
    users, items = LOG.users[order], LOG.items[order]
    same = users[1:] == users[:-1]
    follows = (TRUTH.successors[items[:-1]] == items[1:, None]).any(axis=1)[same].mean()
    backwards = (TRUTH.successors[items[1:]] == items[:-1, None]).any(axis=1)[same].mean()
    assert 0.3 < follows < 0.55
    assert follows > 2 * backwards


def test_a_session_begins_where_the_last_one_ended():
    homing = World(users=40, items=300, events=8_000, session=1.0, again=1.0, follow=0.0)
    blocks = list(events(plant(homing)))
    seen = np.full(homing.users, -1)
    for block in blocks:
        known = seen[block.users] >= 0
        assert (block.items[known] == seen[block.users[known]]).all()
        seen[block.users] = block.items
    assert known.all()


def test_users_come_back_to_items():
    pairs = LOG.users.astype(np.int64) * WORLD.items + LOG.items
    assert 0.1 < 1 - len(np.unique(pairs)) / len(pairs) < 0.6


def test_views_are_many_and_purchases_few():
    counts = np.bincount(LOG.kinds, minlength=len(EVENTS)) / len(LOG.kinds)
    assert counts[0] > 0.75
    assert 0.03 < counts[2] < counts[1]
