"""The order of nodes: a permutation, the same from any order of the pairs, that brings neighbours together."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from recsys_cl.core.values import Shape
from recsys_cl.ops import ordering
from recsys_cl.ops.ordering import local, placed, places, unplaced
from tests.graphs import generator, pairs

BLOCKS, WIDE = 8, Shape(400, 320)


@pytest.fixture(autouse=True)
def _small_graphs_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ordering, "ORDERED_FROM", 1)


def blocks() -> tuple[Tensor, Tensor]:
    """Eight groups of users who meet items of their own group, and of the next one now and then; numbered at random."""
    rng = generator(1)
    user = torch.randint(WIDE.users, (6000,), generator=rng)
    group = (user % BLOCKS + (torch.rand(6000, generator=rng) < 0.03)) % BLOCKS
    return user, group + BLOCKS * torch.randint(WIDE.items // BLOCKS, (6000,), generator=rng)


@pytest.mark.parametrize("seed", range(3))
def test_every_node_has_one_place_and_users_stand_first(seed: int) -> None:
    shape = Shape(9, 6)  # some of them without any edge
    found = local(shape, *pairs(seed, 10, shape))
    assert found is not None
    assert sorted(found.nodes[:9].tolist()) == list(range(9))
    assert sorted(found.nodes.tolist()) == list(range(15))
    assert torch.equal(found.nodes[found.places], torch.arange(15))


def test_the_order_of_the_pairs_is_nothing() -> None:
    users, items = blocks()
    shuffled = torch.randperm(users.numel(), generator=generator(2))
    one, other = local(WIDE, users, items), local(WIDE, users[shuffled], items[shuffled])
    assert one is not None
    assert other is not None
    assert torch.equal(one.nodes, other.nodes)


def test_neighbours_come_together() -> None:
    """Of one user's items, a random order has half of all pairs more than .29 of the catalogue apart; a group is an eighth."""
    users, items = blocks()
    found = local(WIDE, users, items)
    assert found is not None
    at = places(items + WIDE.users, found) - WIDE.users
    spread = torch.stack([at[users == user].double().std() for user in range(WIDE.users)]) / WIDE.items
    assert spread.median() < 1 / BLOCKS
    group = torch.stack(
        [(found.nodes[: WIDE.users][start : start + 50] % BLOCKS).bincount().max() for start in range(0, 400, 50)]
    )
    assert group.double().mean() > 35, "of fifty users in a row, most are of one group"


def test_placing_is_undone() -> None:
    found = local(WIDE, *blocks())
    table = torch.randn(WIDE.users + WIDE.items, 3, generator=generator(3))
    assert torch.equal(unplaced(placed(table, found), found), table)
    assert torch.equal(placed(table, found)[places(torch.tensor([7, 500]), found)], table[[7, 500]])
    items = placed(table[WIDE.users :], found, WIDE.users)
    assert torch.equal(items, placed(table, found)[WIDE.users :])


def test_small_graphs_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    users, items = blocks()
    monkeypatch.setattr(ordering, "ORDERED_FROM", users.numel() + 1)
    assert local(WIDE, users, items) is None
    table = torch.randn(5, 2)
    assert placed(table, None) is table
    assert unplaced(table, None) is table
    assert places(users, None) is users
