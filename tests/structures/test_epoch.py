"""What an epoch asks for: each edge once, or each user as often as any other."""

from __future__ import annotations

import torch
from scipy.stats import chisquare
from torch import Tensor

from recsys_cl.core.values import Interactions, Shape
from recsys_cl.structures._epoch import Epoch
from recsys_cl.structures.graph import GraphFeed
from tests.graphs import generator

USERS = torch.tensor([2] * 7 + [0] * 1 + [5] * 4 + [9] * 11)  # as the graph has them: side by side, not by number
FIRST = {2: 0, 0: 7, 5: 8, 9: 12}
DEGREE = {2: 7, 0: 1, 5: 4, 9: 11}


def epochs(count: int) -> Tensor:
    epoch, rng = Epoch(USERS, "users"), generator(3)
    return torch.stack([epoch(rng) for _ in range(count)])


def test_by_interactions_it_is_each_edge_once_in_another_order_every_time() -> None:
    epoch, rng = Epoch(USERS, "interactions"), generator(1)
    one, other = epoch(rng), epoch(rng)
    assert one.sort().values.tolist() == other.sort().values.tolist() == list(range(len(USERS)))
    assert one.tolist() != other.tolist()


def test_by_users_everybody_asks_as_often_whatever_they_met() -> None:
    for drawn in epochs(20):
        asked = USERS[drawn].bincount()
        assert len(drawn) == len(USERS) == 23
        assert sorted(asked[asked > 0].tolist()) == [5, 6, 6, 6]


def test_by_users_the_rest_falls_to_everybody_in_time() -> None:
    less = [int(((USERS[drawn][:, None] == torch.tensor([2, 0, 5, 9])).sum(0) == 5).nonzero()) for drawn in epochs(400)]
    assert chisquare([less.count(place) for place in range(4)]).pvalue > 1e-3


def test_by_users_each_of_ones_items_is_as_likely() -> None:
    drawn = epochs(400).flatten()
    for user, first in FIRST.items():
        mine = drawn[USERS[drawn] == user] - first
        assert mine.min() >= 0
        assert mine.max() < DEGREE[user]
        if DEGREE[user] > 1:
            assert chisquare(mine.bincount(minlength=DEGREE[user]).numpy()).pvalue > 1e-3


def test_by_users_neither_users_nor_items_come_in_an_order() -> None:
    assert USERS[epochs(1)[0]].tolist() != USERS[epochs(2)[1]].tolist()
    halves = USERS[epochs(300)[:, :12]].flatten().bincount()
    assert chisquare(halves[halves > 0].numpy()).pvalue > 1e-3


def test_by_users_the_seed_is_the_draw() -> None:
    assert torch.equal(epochs(2), epochs(2))


def test_a_feed_by_users_asks_for_pairs_that_were_met() -> None:
    log = Interactions(
        Shape(3, 6), torch.tensor([2, 2, 2, 2, 0, 2, 1, 2]), torch.tensor([1, 2, 3, 4, 5, 0, 2, 1]), torch.arange(8)
    )
    feed = GraphFeed(log.shape, log, None, 3, "users")
    batches = list(feed.training(generator(5)))
    met = [
        (int(batch.users[query]), int(batch.items[row]))
        for batch in batches
        for query, row in zip(batch.query, batch.positive, strict=True)
    ]
    assert len(batches) == feed.steps == 3
    assert len(met) == 7
    assert set(met) <= set(zip(log.users.tolist(), log.items.tolist(), strict=True))
    assert sorted([user for user, _ in met].count(user) for user in range(3)) == [2, 2, 3]
