"""The normalised adjacency by hand, and edges left out against building anew."""

from __future__ import annotations

import pytest
import torch

from recsys_cl.core.values import Shape
from recsys_cl.ops.adjacency import connect
from tests.graphs import SHAPE, generator, graph, pairs


def test_a_repeated_pair_is_one_edge() -> None:
    adjacency = connect(SHAPE, torch.tensor([3, 0, 3]), torch.tensor([1, 4, 1]))
    users, items = adjacency.ends()
    assert (users.tolist(), items.tolist()) == ([0, 3], [4, 1])


def test_weights_by_hand() -> None:
    """Two users share an item: degrees 1, 1 and 2, so both weights are 1 / sqrt(2)."""
    adjacency = connect(Shape(2, 1), torch.tensor([0, 1]), torch.tensor([0, 0]), dtype=torch.float64)
    assert torch.allclose(adjacency.matrix.weights, torch.full((4,), 0.5**0.5, dtype=torch.float64), atol=1e-15)


def test_the_order_of_pairs_is_nothing() -> None:
    users, items = pairs()
    shuffled = torch.randperm(users.numel(), generator=generator(1))
    one, other = connect(SHAPE, users, items), connect(SHAPE, users[shuffled], items[shuffled])
    assert torch.equal(one.matrix.columns, other.matrix.columns)
    assert torch.equal(one.back, other.back)


@pytest.mark.parametrize("seed", range(5))
def test_leaving_edges_out_is_building_from_the_rest(seed: int) -> None:
    whole = graph(seed).adjacency
    for round_ in range(2):  # twice, so that an already smaller graph is made smaller
        kept = torch.rand(whole.edges, generator=generator(seed + round_)) < 0.7
        before = [tensor.clone() for tensor in (whole.matrix.columns, whole.matrix.weights, whole.back)]
        users, items = whole.ends()
        left, expected = whole.keep(kept), connect(SHAPE, users[kept], items[kept], dtype=torch.float64)
        for found, wanted in [(left.matrix.starts, expected.matrix.starts), (left.matrix.columns, expected.matrix.columns)]:
            assert torch.equal(found, wanted)
        assert torch.equal(left.back, expected.back)
        assert torch.equal(left.matrix.weights, expected.matrix.weights)
        after = (whole.matrix.columns, whole.matrix.weights, whole.back)
        assert all(torch.equal(a, b) for a, b in zip(before, after, strict=True))
        whole = left


def test_keeping_all_edges_changes_no_bit() -> None:
    whole = graph().adjacency
    left = whole.keep(torch.ones(whole.edges, dtype=torch.bool))
    assert torch.equal(left.matrix.weights, whole.matrix.weights)
    assert torch.equal(left.matrix.columns, whole.matrix.columns)
