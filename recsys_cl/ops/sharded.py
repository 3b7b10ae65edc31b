"""A table whose rows lie in several processes, where one device does not hold it: each keeps, learns and updates its own.

Written by hand because torch's DTensor, tried on two processes (torch 2.13, gloo), looks rows up rightly but gives every
process the gradient of all rows, as large as the table; and torchrec refuses row-wise shards on a CPU. See docs/distributed.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from recsys_cl.ops.ranks import Ranks


class ShardedTable(nn.Module):
    """Rows ``bounds[rank] : bounds[rank + 1]`` of a table [N, D]: its parameter, gradient and moments are N / size rows each.

    Args:
        rows: how many rows the whole table has, N.
        own: this process's rows, ``ranks.share(rows)`` of the table.
        ranks: the processes.
    """

    def __init__(self, rows: int, own: Tensor, ranks: Ranks) -> None:
        super().__init__()
        self.ranks, self.bounds = ranks, tuple(ranks.bounds(rows))
        begin, end = self.bounds[ranks.rank : ranks.rank + 2]
        if len(own) != end - begin:
            raise ValueError(f"rank {ranks.rank} keeps rows {begin} to {end} of {rows}, got {len(own)} of them")
        self.own = nn.Parameter(own)

    def forward(self, ids: Tensor) -> Tensor:
        """Rows ``ids`` [M] of the table, [M, D]; all processes ask for the same ones and pass back the same gradients."""
        found: Tensor = _LookUp.apply(self.own, ids, self.bounds, self.ranks)  # type: ignore[no-untyped-call]
        return found

    @torch.no_grad()
    def whole(self) -> Tensor:
        """All rows [N, D], in every process: to be saved, where they fit."""
        return self.ranks.gather(self.own, self.bounds)


class _LookUp(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, own: Tensor, ids: Tensor, bounds: Sequence[int], ranks: Ranks) -> Tensor:
        begin, end = bounds[ranks.rank : ranks.rank + 2]
        mine = ((ids >= begin) & (ids < end)).nonzero().flatten()
        ctx.mine, ctx.rows, ctx.shape = mine, ids[mine] - begin, own.shape
        found = own.new_zeros((len(ids), own.shape[1]))
        found[mine] = own[ctx.rows]
        return ranks.total(found)  # each row is there once, and zero elsewhere: the sum is exact

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None, None]:
        result = grads[0].new_zeros(ctx.shape)
        return result.index_add_(0, ctx.rows, grads[0][ctx.mine]), None, None, None
