"""The randomised factors against the dense SVD: as good as the best of their rank, exact at full rank, in both directions."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from recsys_cl.core.values import Shape
from recsys_cl.ops.adjacency import connect
from recsys_cl.ops.low_rank import factorise
from tests.graphs import dense, generator, pairs

SHAPE = Shape(60, 45)
WHOLE = connect(SHAPE, *pairs(1, 700, SHAPE), dtype=torch.float64)


def formed(rank: int, seed: int = 0) -> Tensor:
    found = factorise(WHOLE, rank, generator(seed))
    return found.left @ found.right.T


def test_full_rank_is_exact_and_more_is_no_more() -> None:
    assert torch.allclose(formed(45), dense(WHOLE), rtol=0, atol=1e-9)
    assert torch.allclose(formed(99), dense(WHOLE), rtol=0, atol=1e-9)


@pytest.mark.parametrize("rank", [1, 5, 20])
def test_nearly_the_best_of_its_rank(rank: int) -> None:
    """Eckart and Young: no matrix of this rank is nearer than the truncated SVD; in both directions, so twice."""
    block = dense(WHOLE)[: SHAPE.users, SHAPE.users :]
    best = (2 * torch.linalg.svdvals(block)[rank:].square().sum()).sqrt()
    assert best <= torch.dist(formed(rank), dense(WHOLE)) < 1.01 * best


def test_it_is_symmetric_and_the_seed_is_the_guess() -> None:
    assert torch.allclose(formed(5), formed(5).T, rtol=0, atol=1e-9)
    assert torch.equal(formed(5), formed(5))
    assert not torch.equal(formed(5), formed(5, seed=1))


def test_products_are_those_of_the_matrix() -> None:
    found, rows = factorise(WHOLE, 3, generator()), torch.tensor([70, 2, 2, 59])
    table = torch.randn(105, 4, dtype=torch.float64, generator=generator(2))
    grad = torch.randn(4, 4, dtype=torch.float64, generator=generator(3))
    assert torch.allclose(found.times(table, rows), (formed(3) @ table)[rows], atol=1e-12)
    assert torch.allclose(found.pulled(grad, rows), formed(3)[rows].T @ grad, atol=1e-12)


def test_the_halves_of_the_matrix() -> None:
    from recsys_cl.ops.propagate import propagate

    block = dense(WHOLE)[: SHAPE.users, SHAPE.users :]
    by_user, by_item = WHOLE.sides()
    assert torch.allclose(propagate(by_user, torch.eye(45, dtype=torch.float64)), block, atol=1e-12)
    assert torch.allclose(propagate(by_item, torch.eye(60, dtype=torch.float64)), block.T, atol=1e-12)
