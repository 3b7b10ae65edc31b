"""Alignment and uniformity on the unit sphere: what contrastive losses trade (Wang and Isola 2020, arXiv:2005.10242)."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn.functional import normalize

from recsys_cl.ops.precision import full_precision
from recsys_cl.ops.twice import must_be_twice_differentiable

_SHARPNESS = 2.0  # what a squared distance is multiplied by, there and in every recipe that follows
_BLOCK = 2**20  # pairs at hand at once: 4 MiB of fp32


@full_precision
def alignment(one: Tensor, other: Tensor) -> Tensor:
    """Mean squared distance of aligned rows [N, D] after normalisation: 0 where they point the same way, at most 4."""
    return (normalize(one, dim=-1) - normalize(other, dim=-1)).square().sum(-1).mean()


@full_precision
def uniformity(rows: Tensor) -> Tensor:
    """``log mean exp(-2 |z_i - z_j|^2)`` over pairs of distinct rows [N, D]; 0 when collapsed, lower when spread.

    A single row has no pair and gives 0. Its second derivative is available only within `ops.twice`.
    """
    count = len(rows)
    if count < 2:
        return 0 * rows.sum()
    unit = normalize(rows, dim=-1)
    if not must_be_twice_differentiable():
        spread: Tensor = _Uniformity.apply(unit)  # type: ignore[no-untyped-call]
        return spread
    own = torch.eye(count, dtype=torch.bool, device=rows.device)
    return _exponents(unit, unit).masked_fill(own, -torch.inf).flatten().logsumexp(0) - math.log(count * (count - 1))


class _Uniformity(torch.autograd.Function):
    """The same of unit rows: forward accumulates the gradient while a block of pairs is at hand, backward scales it."""

    @staticmethod
    def forward(ctx: Any, unit: Tensor) -> Tensor:
        count = len(unit)
        mass, pulls = unit.new_zeros(()), torch.empty_like(unit)
        for begin in range(0, count, step := max(1, _BLOCK // count)):
            block = slice(begin, begin + step)
            near = _exponents(unit[block], unit).exp_()  # at least e^-8: no need to look for the largest
            near.diagonal(begin).zero_()
            mass += near.sum()
            torch.mm(near, unit, out=pulls[block])
        ctx.save_for_backward(pulls.mul_(4 * _SHARPNESS / mass))
        return mass.log() - math.log(count * (count - 1))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        slopes: Tensor = ctx.saved_tensors[0] * gradients[0]
        return slopes


def _exponents(some: Tensor, unit: Tensor) -> Tensor:
    """``-2 |z_i - z_j|^2`` of unit rows [b, D] and [N, D], [b, N], in memory of its own."""
    return (some @ unit.T).sub_(1).mul_(2 * _SHARPNESS)
