"""One product of the normalised adjacency and a table, by the fastest kernel of the device; never through autograd."""

from __future__ import annotations

import warnings

import torch
import torch.nn.functional as F
from torch import Tensor

from recsys_cl.ops.adjacency import Rows


def propagate(matrix: Rows, table: Tensor) -> Tensor:
    """``matrix`` [R, N] times ``table`` [N, D]: each row is the weighted sum of its neighbours, [R, D].

    On the CPU this is a weighted embedding bag, three to twenty times faster than sparse matrix products. The weights
    and the table share a float type. Not differentiable: ``ops/layers.py`` has the exact backward.
    """
    table = table.detach()
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
