"""A table whose rows lie in several processes, where one device does not hold it: each keeps, learns and updates its own.

Written by hand because torch's DTensor, tried on two processes (torch 2.13, gloo), looks rows up rightly but gives every
process the gradient of all rows, as large as the table; and torchrec refuses row-wise shards on a CPU. See docs/distributed.md.

All processes ask for the same rows, and pass back the same gradients: so no gradient is ever sent.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn.utils import get_total_norm

from recsys_cl.ops.ranks import Ranks


@dataclass(frozen=True, slots=True)
class Shard:
    """What a parameter knows of the table [N, D] of which it is rows ``bounds[rank] : bounds[rank + 1]``."""

    rows: int  # of the whole table, N
    ranks: Ranks

    @property
    def bounds(self) -> tuple[int, ...]:
        """Where each process's rows begin, and the end."""
        return tuple(self.ranks.bounds(self.rows))

    def cut(self, whole: Tensor) -> Tensor:
        """This process's rows of ``whole`` [N, ...], copied."""
        return whole[self.ranks.share(self.rows)].clone()

    def whole(self, own: Tensor) -> Tensor:
        """All rows [N, ...] in every process, on the host, where there is room."""
        return self.ranks.gather(own.detach().cpu(), self.bounds)


def shard(table: nn.Parameter, ranks: Ranks) -> None:
    """Leave only this process's rows in ``table`` [N, D]; gradient and moments will be as small."""
    part = Shard(len(table), ranks)
    table.data = part.cut(table.data)
    table.shard = part  # type: ignore[attr-defined]


def unshard(module: nn.Module) -> None:
    """Let every table of ``module`` be whole again, on the host; all processes call it together."""
    for weight in module.parameters():
        if part := shard_of(weight):
            weight.data, weight.grad = part.whole(weight.data), None
            weight.shard = None  # type: ignore[attr-defined]


def shard_of(weight: Tensor) -> Shard | None:
    """What ``weight`` is a part of; None: it is whole."""
    found: Shard | None = getattr(weight, "shard", None)
    return found


def shards_of(module: nn.Module) -> dict[str, Shard]:
    """Every shard of ``module`` by the name of its parameter."""
    return {name: part for name, weight in module.named_parameters() if (part := shard_of(weight))}


def rows_of(table: Tensor, ids: Tensor) -> Tensor:
    """Rows ``ids`` [M] of a table [N, D], whole or in shards, [M, D]; the whole table is nowhere made."""
    part = shard_of(table)
    if part is None:
        return table.index_select(0, ids)
    found: Tensor = _LookUp.apply(table, ids, part.bounds, part.ranks)  # type: ignore[no-untyped-call]
    return found


def whole_of(table: Tensor) -> Tensor:
    """All rows [N, D] of a table, for as long as they are used; each process gets back the gradient of its own."""
    part = shard_of(table)
    if part is None:
        return table
    found: Tensor = _Whole.apply(table, part.bounds, part.ranks)  # type: ignore[no-untyped-call]
    return found


def total_norm(weights: Iterable[Tensor]) -> Tensor:
    """Norm of the gradient of all ``weights``, of shards over all processes, scalar."""
    learned = [weight for weight in weights if weight.grad is not None]
    norm = get_total_norm([weight.grad for weight in learned if weight.grad is not None and not shard_of(weight)])
    for weight in learned:
        if (part := shard_of(weight)) and weight.grad is not None:
            norm = torch.hypot(norm.to(weight.device), part.ranks.total(weight.grad.square().sum()).sqrt())
    return norm


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


class _Whole(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, own: Tensor, bounds: Sequence[int], ranks: Ranks) -> Tensor:
        ctx.own = slice(*bounds[ranks.rank : ranks.rank + 2])
        return ranks.gather(own, bounds)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None]:
        return grads[0][ctx.own].clone(), None, None  # copied, so that the gradient of the others' rows is let go
