"""The adjacency's largest singular triplets, found by a randomised range finder, and the low-rank matrix made of them."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from recsys_cl.ops.adjacency import Adjacency
from recsys_cl.ops.precision import full_precision
from recsys_cl.ops.propagate import propagate

_SPARE = 10  # directions sampled beyond the rank, Halko et al. 2011, section 4.2
_POWERS = 2  # products with R R^T that sharpen the range, ibid. section 4.5


@dataclass(frozen=True, slots=True, eq=False)
class LowRank:
    """The matrix ``left @ right.T`` over all nodes, never formed."""

    left: Tensor  # [U + I, K]
    right: Tensor  # [U + I, K]

    @full_precision
    def times(self, table: Tensor, rows: Tensor) -> Tensor:
        """The given ``rows`` [Q] of the matrix times ``table`` [U + I, D], [Q, D]."""
        return self.left.index_select(0, rows) @ (self.right.T @ table)

    @full_precision
    def pulled(self, grad: Tensor, rows: Tensor) -> Tensor:
        """The transpose of what ``times`` does: ``grad`` [Q, D] to the table's, [U + I, D]."""
        return self.right @ (self.left.index_select(0, rows).T @ grad)


def factorise(adjacency: Adjacency, rank: int, rng: Generator) -> LowRank:
    """The best approximation of ``adjacency`` by ``rank`` singular triplets U S V^T of its users' rows R, in both directions.

    As one symmetric matrix it has twice the rank: [[0, U S V^T], [V S U^T, 0]]. Exact where ``rank`` reaches the smaller of
    users and items. Halko, Martinsson and Tropp 2011, arXiv:0909.4061, algorithms 4.4 and 5.1.
    """
    shape = adjacency.shape
    users, values, items = leading(adjacency, rank, rng)
    rank = values.numel()
    left, right = (users.new_zeros(shape.users + shape.items, 2 * rank) for _ in range(2))
    left[: shape.users, :rank], left[shape.users :, rank:] = users * values, items * values
    right[shape.users :, :rank], right[: shape.users, rank:] = items, users
    return LowRank(left, right)


@full_precision
def leading(adjacency: Adjacency, rank: int, rng: Generator) -> tuple[Tensor, Tensor, Tensor]:
    """Left vectors [U, K], values [K] in descending order and right vectors [I, K] of the users' rows.

    K is ``rank``, or the smaller of users and items where that is less.
    """
    shape = adjacency.shape
    count = min(rank + _SPARE, shape.users, shape.items)
    guess = torch.randn(shape.items, count, dtype=torch.float64, generator=rng, device=rng.device)
    by_user, by_item = adjacency.sides()
    basis = torch.linalg.qr(propagate(by_user, guess.to(adjacency.matrix.weights))).Q
    for _ in range(_POWERS):
        basis = torch.linalg.qr(propagate(by_user, torch.linalg.qr(propagate(by_item, basis)).Q)).Q
    inner, values, items = torch.linalg.svd(propagate(by_item, basis).T, full_matrices=False)
    return (basis @ inner)[:, :rank], values[:rank], items[:rank].T
