"""One product of the normalised adjacency and a table, by the fastest kernel of the device; never through autograd."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import torch
import torch.nn.functional as F
from torch import Tensor

from recsys_cl.ops.adjacency import Rows
from recsys_cl.ops.ranks import ALONE, Ranks

_in_step: list[Ranks] = [ALONE]  # the processes that make every product together, innermost last

SHARED_FROM = 1 << 16
"""Entries of a matrix from which several processes share its rows; the product of a smaller one is made sooner than sent."""


def propagate(matrix: Rows, table: Tensor) -> Tensor:
    """``matrix`` [R, N] times ``table`` [N, D]: each row is the weighted sum of its neighbours, [R, D].

    On the CPU this is a weighted embedding bag, three to twenty times faster than sparse matrix products. The weights
    and the table share a float type. Not differentiable: ``ops/layers.py`` has the exact backward.
    """
    table = table.detach()
    if not _in_step[-1].alone and matrix.columns.numel() >= SHARED_FROM:
        return _by_shares(matrix, table, _in_step[-1])
    return _product(matrix, table)


@contextmanager
def rows_shared(ranks: Ranks) -> Iterator[None]:
    """Meanwhile all of ``ranks`` make the same products, and each computes some rows of each: the bytes stay the same."""
    _in_step.append(ranks)
    try:
        yield
    finally:
        _in_step.pop()


def _by_shares(matrix: Rows, table: Tensor, ranks: Ranks) -> Tensor:
    """Rows are dealt out so that each process gets as many entries as any other."""
    total = matrix.columns.numel()
    even = torch.tensor([total * rank // ranks.size for rank in range(1, ranks.size)], dtype=matrix.starts.dtype)
    bounds = [0, *torch.searchsorted(matrix.starts, even.to(table.device)).tolist(), len(matrix)]
    begin, end = bounds[ranks.rank : ranks.rank + 2]
    first, last = matrix.starts[begin].item(), matrix.starts[end].item()
    own = Rows(matrix.starts[begin : end + 1] - first, matrix.columns[first:last], matrix.weights[first:last])
    return ranks.gather(_product(own, table), bounds)


def _product(matrix: Rows, table: Tensor) -> Tensor:
    if table.is_cuda:
        return _compressed(matrix, table.shape[0]) @ table
    return F.embedding_bag(
        matrix.columns, table, matrix.starts, mode="sum", per_sample_weights=matrix.weights, include_last_offset=True
    )


def _compressed(matrix: Rows, columns: int) -> Tensor:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*CSR.*beta", category=UserWarning)
        return torch.sparse_csr_tensor(
            matrix.starts, matrix.columns, matrix.weights, (len(matrix), columns), check_invariants=False
        )
