"""Rows of a matrix, whether all its numbers are stored (dense) or only those that are not 0 (torch's CSR layout)."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import torch
from torch import Tensor

from recsys_cl.ops.ragged import offsets_of, owners, spans


def csr(offsets: Tensor, columns: Tensor, values: Tensor, width: int) -> Tensor:
    """The sparse matrix [R, width] whose row ``r`` has ``values`` in ``columns`` at ``offsets[r] : offsets[r + 1]``.

    Columns of a row are distinct and rising; nothing is checked or copied.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*CSR.*beta", category=UserWarning)
        return torch.sparse_csr_tensor(offsets, columns, values, (len(offsets) - 1, width), check_invariants=False)


def is_sparse(matrix: Tensor) -> bool:
    """Whether only some numbers are stored: by rows, or, transposed, by columns."""
    return matrix.layout in (torch.sparse_csr, torch.sparse_csc)


def stored(matrix: Tensor) -> Tensor:
    """All numbers that ``matrix`` stores; where it is sparse, the others are 0."""
    return matrix.values() if is_sparse(matrix) else matrix


def spoilt(matrix: Tensor) -> int:
    """How many rows hold a number that is not finite."""
    bad = ~torch.isfinite(stored(matrix))
    if matrix.layout is torch.sparse_csr:
        return len(torch.unique(owners(matrix.crow_indices().diff())[bad]))
    return len(torch.unique(matrix.row_indices()[bad])) if is_sparse(matrix) else int(bad.any(1).sum())


def take(matrix: Tensor, rows: Tensor) -> Tensor:
    """The given ``rows`` [Q] of ``matrix`` [R, D], dense or CSR, in the same layout."""
    if not is_sparse(matrix):
        return matrix[rows]
    begin = matrix.crow_indices()[rows]
    lengths = matrix.crow_indices()[rows + 1] - begin
    where = spans(begin, lengths)
    return csr(offsets_of(lengths), matrix.col_indices()[where], matrix.values()[where], matrix.shape[1])


def stack(parts: Sequence[Tensor]) -> Tensor:
    """Sparse ``parts`` of one width, one below the other."""
    lengths = torch.cat([part.crow_indices().diff() for part in parts])
    columns, values = (torch.cat(kept) for kept in ([p.col_indices() for p in parts], [p.values() for p in parts]))
    return csr(offsets_of(lengths), columns, values, parts[0].shape[1])
