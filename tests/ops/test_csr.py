"""Rows of sparse matrices are those of the dense ones."""

from __future__ import annotations

import pytest
import torch

from recsys_cl.ops.csr import csr, spoilt, stack, stored, take


def matrix() -> tuple[torch.Tensor, torch.Tensor]:
    sparse = csr(torch.tensor([0, 2, 2, 3]), torch.tensor([0, 3, 1]), torch.tensor([1.0, 2.0, 3.0]), 4)
    return sparse, torch.tensor([[1.0, 0, 0, 2], [0, 0, 0, 0], [0, 3, 0, 0]])


@pytest.mark.parametrize("rows", [[2, 0, 1], [0, 0], [1], []])
def test_rows_are_taken_in_the_order_asked_for(rows: list[int]) -> None:
    sparse, dense = matrix()
    asked = torch.tensor(rows, dtype=torch.int64)
    assert torch.equal(take(sparse, asked).to_dense(), dense[asked])
    assert torch.equal(take(dense, asked), dense[asked])


def test_parts_are_stacked() -> None:
    sparse, dense = matrix()
    assert torch.equal(stack([sparse, take(sparse, torch.tensor([2]))]).to_dense(), torch.cat((dense, dense[2:])))


def test_rows_that_are_not_finite_are_counted_in_every_layout() -> None:
    sparse, dense = matrix()
    stored(sparse)[1:] = torch.nan
    dense[0, 3], dense[2, 1] = torch.nan, torch.inf
    assert (spoilt(sparse), spoilt(dense), spoilt(sparse.transpose(0, 1))) == (2, 2, 2)  # columns 3 and 1 of the transpose
