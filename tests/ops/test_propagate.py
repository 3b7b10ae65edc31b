"""Sparse products against dense ones: all rows, some rows, some columns, both float types."""

from __future__ import annotations

import pytest
import torch

from recsys_cl.core.values import Shape
from recsys_cl.ops.adjacency import Rows, connect
from recsys_cl.ops.propagate import propagate
from tests.graphs import SHAPE, dense, generator, graph, pairs


@pytest.mark.parametrize("seed", range(5))
def test_the_matrix_is_the_dense_one(seed: int) -> None:
    adjacency = graph(seed).adjacency
    identity = torch.eye(12, dtype=torch.float64)
    assert torch.allclose(propagate(adjacency.matrix, identity), dense(adjacency), atol=1e-12)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_table_is_multiplied_in_its_own_type(dtype: torch.dtype) -> None:
    shape = Shape(300, 200)
    adjacency = connect(shape, *pairs(1, 5000, shape), dtype=dtype)
    table = torch.randn(500, 64, dtype=dtype, generator=generator(2)).requires_grad_()
    found = propagate(adjacency.matrix, table)
    assert found.dtype == dtype
    assert not found.requires_grad
    exact = dense(adjacency) @ table.double()
    assert torch.allclose(found.double(), exact, rtol=0, atol=1e-5 if dtype == torch.float32 else 1e-12)


def test_some_rows_of_the_matrix() -> None:
    matrix = graph().adjacency.matrix
    rows = torch.tensor([11, 0, 4, 4, 7])
    identity = torch.eye(12, dtype=torch.float64)
    assert torch.equal(propagate(matrix.only(rows), identity), propagate(matrix, identity)[rows])


def test_some_columns_of_the_matrix() -> None:
    matrix = graph().adjacency.matrix
    some = matrix.only(torch.tensor([11, 0, 4, 7]))
    turned = propagate(some.transposed(12), torch.eye(4, dtype=torch.float64))
    assert torch.equal(turned, propagate(some, torch.eye(12, dtype=torch.float64)).T)


@pytest.mark.parametrize("index", [torch.int32, torch.int64])
def test_turned_twice_is_as_it_was(index: torch.dtype) -> None:
    matrix = graph().adjacency.matrix
    some = Rows(matrix.starts.to(index), matrix.columns.to(index), matrix.weights).only(torch.tensor([7, 0, 11, 4]))
    back = some.transposed(12).transposed(4)
    assert back.starts.dtype == back.columns.dtype == index  # as embedding bags want it
    assert all(torch.equal(ours, theirs) for ours, theirs in zip(parts(back), parts(some), strict=True))


def parts(matrix: Rows) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    return matrix.starts, matrix.columns, matrix.weights


def test_a_graph_without_edges_propagates_zeros() -> None:
    nothing = torch.zeros(0, dtype=torch.int64)
    matrix = connect(SHAPE, nothing, nothing).matrix
    assert torch.equal(propagate(matrix, torch.ones(12, 3)), torch.zeros(12, 3))
    assert torch.equal(propagate(matrix.only(torch.tensor([2])), torch.ones(12, 3)), torch.zeros(1, 3))
