"""The planted truth: factors are the probabilities that draws follow, and every law holds before its time comes."""

from __future__ import annotations

import numpy as np
import pytest

from recsys_cl.core.errors import Refused
from recsys_cl.ingest.synthetic.draw import Drawer
from recsys_cl.ingest.synthetic.planted import plant
from recsys_cl.ingest.synthetic.world import World

SMALL = plant(World(users=40, items=60, events=100, communities=4, seed=3, fresh=0.3))


@pytest.mark.parametrize("at", [0.0, 0.4, 1.0])
def test_factors_are_probabilities_of_what_is_released(at):
    users, items = SMALL.factors(at)
    chance = users @ items.T
    assert chance.shape == (40, 60)
    np.testing.assert_allclose(chance.sum(axis=1), 1.0, rtol=1e-12)
    assert (chance[:, SMALL.released > at] == 0).all()
    assert (chance[:, SMALL.released <= at] > 0).all()


def test_free_draws_follow_the_factors():
    users, items = SMALL.factors(0.9)
    rng = np.random.default_rng(0)
    rounds, user = 200_000, 7
    lately = SMALL.community[(SMALL.released > 0.8) & (SMALL.released <= 0.9)]
    assert set(lately.tolist()) & set(SMALL.liked[user].tolist())  # else nothing fresh could be drawn
    mood = rng.choice(3, rounds, p=SMALL.liking[user])
    drawn = Drawer(SMALL).free(rng, SMALL.liked[user, mood], np.full(rounds, 0.9))
    expected = users[user] @ items.T * rounds
    seen = np.bincount(drawn, minlength=60)
    assert seen[expected == 0].sum() == 0
    there = expected > 0
    excess = ((seen - expected)[there] ** 2 / expected[there]).sum()
    assert excess < there.sum() + 6 * np.sqrt(2 * there.sum())  # chi-square, six deviations


def test_successors_share_the_community():
    assert (SMALL.community[SMALL.successors] == SMALL.community[:, None]).all()


def test_a_user_likes_three_communities_one_most():
    assert all(len(set(liked)) == 3 for liked in SMALL.liked.tolist())
    assert (np.diff(SMALL.liking, axis=1) <= 0).all()
    np.testing.assert_allclose(SMALL.liking.sum(axis=1), 1.0)
    assert SMALL.liking[:, 0].mean() > 0.55


def test_popularity_has_a_long_tail():
    weights = np.sort(plant(World(items=2_000)).weight)[::-1]
    assert weights[:200].sum() > 0.3 * weights.sum()


def test_few_communities_are_enough():
    for count in (1, 2):
        users, items = plant(World(users=5, items=4, communities=count)).factors()
        np.testing.assert_allclose((users @ items.T).sum(axis=1), 1.0)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"items": 3, "communities": 4}, r"synthetic\.communities"),
        ({"again": 0.7, "follow": 0.5}, r"synthetic\.again"),
        ({"start": "new year"}, r"synthetic\.start: 'new year' is not an ISO 8601 time"),
    ],
)
def test_impossible_worlds_are_refused(settings, message):
    with pytest.raises(Refused, match=message):
        World(**settings)
