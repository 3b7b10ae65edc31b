"""The normalised adjacency by hand, and edges left out against building anew."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from recsys_cl.core.values import Shape
from recsys_cl.ops.adjacency import connect
from recsys_cl.ops.propagate import propagate
from recsys_cl.structures.graph import Graph
from tests.graphs import SHAPE, dense, disordered, generator, graph, pairs, weighed


def test_a_repeated_pair_is_one_edge() -> None:
    adjacency = connect(SHAPE, torch.tensor([3, 0, 3]), torch.tensor([1, 4, 1]))
    users, items = adjacency.ends()
    assert (users.tolist(), items.tolist()) == ([0, 3], [4, 1])


def test_weights_by_hand() -> None:
    """Two users share an item: degrees 1, 1 and 2, so both weights are 1 / sqrt(2)."""
    adjacency = connect(Shape(2, 1), torch.tensor([0, 1]), torch.tensor([0, 0]), dtype=torch.float64)
    assert torch.allclose(adjacency.matrix.weights, torch.full((4,), 0.5**0.5, dtype=torch.float64), atol=1e-15)


def test_strengths_by_hand() -> None:
    """Of a repeated pair the larger one counts: user 0 has 2 and 6, item 0 has 2 and 3."""
    users, items, strengths = torch.tensor([0, 0, 1, 0]), torch.tensor([0, 1, 0, 0]), torch.tensor([1.0, 6.0, 3.0, 2.0])
    adjacency = connect(Shape(2, 3), users, items, dtype=torch.float64, strengths=strengths)
    assert adjacency.degrees().tolist() == [8, 3, 5, 6, 0]
    expected = torch.tensor([2 / 40**0.5, 6 / 48**0.5, 3 / 15**0.5], dtype=torch.float64)
    assert torch.allclose(adjacency.matrix.weights, torch.cat((expected, expected[[0, 2, 1]])), atol=1e-12)


@pytest.mark.parametrize("seed", range(5))
def test_strengths_stay_with_their_edges(seed: int) -> None:
    """Whatever the order of the nodes, and where edges are left out; without them it is the plain graph."""
    whole = weighed(seed).adjacency
    kept = torch.rand(whole.edges, generator=generator(seed)) < 0.7
    for adjacency in (whole, whole.keep(kept)):
        at, identity = adjacency.ordering.places, torch.eye(12, dtype=torch.float64)
        assert torch.allclose(propagate(adjacency.matrix, identity)[at][:, at], dense(adjacency), atol=1e-12)
    assert torch.equal(whole.keep(kept).strengths, whole.strengths[kept])
    plain = disordered(seed).adjacency
    assert torch.equal(whole.alike().matrix.weights, plain.matrix.weights)
    assert plain.alike() is plain
    assert not torch.allclose(whole.matrix.weights, plain.matrix.weights)


def test_the_order_of_pairs_is_nothing() -> None:
    users, items = pairs()
    shuffled = torch.randperm(users.numel(), generator=generator(1))
    one, other = connect(SHAPE, users, items), connect(SHAPE, users[shuffled], items[shuffled])
    assert torch.equal(one.matrix.columns, other.matrix.columns)
    assert torch.equal(one.back, other.back)


@pytest.mark.parametrize("made", [graph, disordered])
@pytest.mark.parametrize("seed", range(5))
def test_leaving_edges_out_is_building_from_the_rest(seed: int, made: Callable[[int], Graph]) -> None:
    whole = made(seed).adjacency
    for round_ in range(2):  # twice, so that an already smaller graph is made smaller
        kept = torch.rand(whole.edges, generator=generator(seed + round_)) < 0.7
        before = [tensor.clone() for tensor in (whole.matrix.columns, whole.matrix.weights, whole.back)]
        users, items = whole.ends()
        left, expected = whole.keep(kept), connect(SHAPE, users[kept], items[kept], torch.float64, whole.ordering)
        for found, wanted in [(left.matrix.starts, expected.matrix.starts), (left.matrix.columns, expected.matrix.columns)]:
            assert torch.equal(found, wanted)
        assert torch.equal(left.back, expected.back)
        assert left.ordering is whole.ordering
        assert torch.equal(left.matrix.weights, expected.matrix.weights)
        after = (whole.matrix.columns, whole.matrix.weights, whole.back)
        assert all(torch.equal(a, b) for a, b in zip(before, after, strict=True))
        whole = left


@pytest.mark.parametrize("seed", range(3))
def test_another_order_of_nodes_is_the_same_graph(seed: int) -> None:
    plain, other = graph(seed).adjacency, disordered(seed).adjacency
    assert sorted(zip(*map(Tensor.tolist, plain.ends()), strict=True)) == sorted(
        zip(*map(Tensor.tolist, other.ends()), strict=True)
    )
    assert torch.equal(plain.degrees(), other.degrees())
    assert torch.equal(dense(plain), dense(other))
    at = other.ordering.places
    identity = torch.eye(12, dtype=torch.float64)
    assert torch.allclose(propagate(other.matrix, identity)[at][:, at], dense(plain), atol=1e-12)


@pytest.mark.parametrize("made", [graph, disordered])
def test_what_users_met_is_named_by_number(made: Callable[[], Graph]) -> None:
    adjacency, users = made().adjacency, torch.tensor([6, 0, 3, 3])
    found = adjacency.met(users)
    pairs_met = list(zip(*map(Tensor.tolist, adjacency.ends()), strict=True))
    for row, user in enumerate(users.tolist()):
        items = found.columns[found.starts[row] : found.starts[row + 1]].tolist()
        assert sorted(items) == sorted(item for who, item in pairs_met if who == user)


def test_keeping_all_edges_changes_no_bit() -> None:
    whole = graph().adjacency
    left = whole.keep(torch.ones(whole.edges, dtype=torch.bool))
    assert torch.equal(left.matrix.weights, whole.matrix.weights)
    assert torch.equal(left.matrix.columns, whole.matrix.columns)
