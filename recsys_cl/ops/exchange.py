"""Rows that processes exchange in a step, with gradients.

One convention holds throughout: the loss is the *mean* of what the processes compute, and so is every gradient. Whatever a
process takes as its share of a sum, it multiplies by the number of processes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from recsys_cl.ops.ranks import Ranks


def gathered(part: Tensor, bounds: Sequence[int], ranks: Ranks) -> Tensor:
    """All rows of all processes, [N, D]; each gets back the gradient of its own rows from all of them.

    Args:
        part: this process's rows, ``bounds[rank] : bounds[rank + 1]`` of the result.
        bounds: where each process's rows begin, and the end.
        ranks: the processes.
    """
    whole: Tensor = _Gathered.apply(part, tuple(bounds), ranks)  # type: ignore[no-untyped-call]
    return whole


def agreed(tensors: Sequence[Tensor], ranks: Ranks) -> list[Tensor]:
    """The same ``tensors``, which all processes have alike; gradients that pass back become their mean over the processes.

    So what lies below runs in step: it sees the same numbers everywhere, forward and backward.
    """
    if not tensors:
        return []
    same: tuple[Tensor, ...] = _Agreed.apply(ranks, *tensors)  # type: ignore[no-untyped-call]
    return list(same)


class _Gathered(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, part: Tensor, bounds: tuple[int, ...], ranks: Ranks) -> Tensor:
        ctx.bounds, ctx.ranks = bounds, ranks
        return ranks.gather(part, bounds)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None]:
        begin, end = ctx.bounds[ctx.ranks.rank : ctx.ranks.rank + 2]
        return ctx.ranks.total(grads[0])[begin:end], None, None


class _Agreed(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, ranks: Ranks, *tensors: Tensor) -> tuple[Tensor, ...]:
        ctx.ranks = ranks
        ctx.set_materialize_grads(False)
        return tuple(tensor.view_as(tensor) for tensor in tensors)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor | None) -> tuple[Tensor | None, ...]:
        present = [grad for grad in grads if grad is not None]
        if not present:
            return (None, *grads)
        flat = ctx.ranks.mean(torch.cat([grad.flatten() for grad in present]))  # one message instead of many
        parts = iter(flat.split([grad.numel() for grad in present]))
        return (None, *(None if grad is None else next(parts).view(grad.shape).to(grad.dtype) for grad in grads))
