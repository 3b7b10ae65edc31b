"""Scores of a block of users: dot products with the whole catalogue, whatever the vectors' layout.

A user's scores do not depend on who else is in the block.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import pad

from recsys_cl.ops.adjacency import Rows
from recsys_cl.ops.csr import is_sparse, take
from recsys_cl.ops.propagate import propagate
from recsys_cl.ops.ragged import owners, spans

FEWEST_ROWS = 16  # matrix products of fewer rows take other kernels, which round differently
_TERMS = 2**20
"""Products of two stored numbers that are added at once."""


def score(users: Tensor, items: Tensor, block: slice, out: Tensor) -> None:
    """Write the scores of the B users in ``block`` into the first B rows of ``out``; the rest of it is no one's.

    Args:
        users: vectors [U, D] in fp32, dense or CSR.
        items: vectors [I, D] in fp32, dense or, beside sparse users, CSC: the transpose of a CSR. Dense items beside sparse
            users are read by columns: as the transpose of a contiguous [D, I] they need no copy.
        block: of users.
        out: [max(B, 16), I]; rows may be apart.
    """
    if not is_sparse(users):
        asking = users[block]
        torch.mm(pad(asking, (0, 0, 0, max(FEWEST_ROWS - len(asking), 0))), items.T, out=out)
        return
    table = items.transpose(0, 1)
    for start in range(block.start, block.stop, FEWEST_ROWS):
        stop = min(start + FEWEST_ROWS, block.stop)
        asking = take(users, torch.arange(start, stop, device=users.device))
        row = start - block.start
        out[row : row + len(asking)] = _sparse_by_sparse(asking, table) if is_sparse(table) else _sparse_by_dense(asking, table)


def _sparse_by_dense(users: Tensor, table: Tensor) -> Tensor:
    """``users`` [B, D], CSR, times ``table`` [D, I]: a weighted sum of its rows each."""
    return propagate(Rows(users.crow_indices(), users.col_indices(), users.values()), table)


def _sparse_by_sparse(users: Tensor, table: Tensor) -> Tensor:
    """``users`` [B, D], CSR, times ``table`` [D, I], CSR: the terms of each user are added in the order of their row."""
    width = table.shape[1]
    scores = torch.zeros(len(users) * width, device=users.device)
    row, columns = owners(users.crow_indices().diff()), users.col_indices()
    begin = table.crow_indices()[columns]
    lengths = table.crow_indices()[columns + 1] - begin
    for some in _portions(lengths):
        where, owner = spans(begin[some], lengths[some]), owners(lengths[some])
        terms = users.values()[some][owner] * table.values()[where]
        scores.index_add_(0, row[some][owner] * width + table.col_indices()[where], terms)
    return scores.view(len(users), width)


def _portions(lengths: Tensor) -> list[slice]:
    """Cut rows of ``lengths`` [N] where another `_TERMS` are full; a longer row stays whole."""
    sizes = torch.unique_consecutive(lengths.cumsum(0) // _TERMS, return_counts=True)[1].tolist()
    ends = [sum(sizes[: place + 1]) for place in range(len(sizes))]
    return [slice(end - size, end) for end, size in zip(ends, sizes, strict=True)]
