"""Alignment and uniformity on the unit sphere: what contrastive losses trade (Wang and Isola 2020, arXiv:2005.10242)."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn.functional import normalize

from recsys_cl.ops.precision import full_precision


@full_precision
def alignment(one: Tensor, other: Tensor) -> Tensor:
    """Mean squared distance of aligned rows [N, D] after normalisation: 0 where they point the same way, at most 4."""
    return (normalize(one, dim=-1) - normalize(other, dim=-1)).square().sum(-1).mean()


@full_precision
def uniformity(rows: Tensor, sharpness: float = 2.0) -> Tensor:
    """``log mean exp(-sharpness |z_i - z_j|^2)`` over pairs of distinct rows [N, D]; 0 when collapsed, lower when spread.

    A single row has no pair and gives 0.
    """
    count = len(rows)
    if count < 2:
        return 0 * rows.sum()
    unit = normalize(rows, dim=-1)
    exponents = 2 * sharpness * (unit @ unit.T - 1)
    own = torch.eye(count, dtype=torch.bool, device=rows.device)
    return exponents.masked_fill(own, -torch.inf).flatten().logsumexp(0) - math.log(count * (count - 1))
