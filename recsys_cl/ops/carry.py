"""One sparse product that passes its exact gradient, for encoders that are not linear in their table."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from recsys_cl.ops.adjacency import Rows
from recsys_cl.ops.propagate import propagate


def carry(matrix: Rows, transposed: Rows, table: Tensor) -> Tensor:
    """``matrix`` [R, N] times ``table`` [N, D], [R, D]; backward is the product with ``transposed`` [N, R], which is given.

    Relations: ``ops/layers.py`` takes several linear layers at once and keeps nothing; between these here stands an
    activation, or another graph.
    """
    carried: Tensor = _Carry.apply(table, matrix, transposed)  # type: ignore[no-untyped-call]
    return carried


class _Carry(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, table: Tensor, matrix: Rows, transposed: Rows) -> Tensor:
        ctx.transposed = transposed
        return propagate(matrix, table)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        return propagate(ctx.transposed, gradients[0].contiguous()), None, None
