"""Lloyd's k-means, as matrix products in blocks: rows to their nearest centres, centres to the mean of their rows."""

from __future__ import annotations

import torch
from torch import Tensor

from recsys_cl.ops.precision import full_precision

_BLOCK = 2**22  # distances at hand at once


@full_precision
def nearest(rows: Tensor, centres: Tensor) -> Tensor:
    """Index of each row's nearest centre in squared distance, [N], for ``rows`` [N, D] and ``centres`` [K, D]."""
    halves = centres.square().sum(-1) / 2
    step = max(1, _BLOCK // len(centres))
    return torch.cat([(halves - part @ centres.T).argmin(-1) for part in torch.split(rows, step)])


@full_precision
def kmeans(rows: Tensor, centres: Tensor, rounds: int) -> tuple[Tensor, Tensor]:
    """Centres [K, D] after ``rounds`` rounds from ``centres``, and each row's nearest of them [N].

    A centre that loses all its rows stays where it is. The sum of squared distances never rises. No gradient.
    """
    rows, centres = rows.detach(), centres.detach()
    home = nearest(rows, centres)
    for _ in range(rounds):
        counts = torch.bincount(home, minlength=len(centres)).to(rows.dtype).unsqueeze(-1)
        sums = torch.zeros_like(centres).index_add_(0, home, rows)
        centres = torch.where(counts > 0, sums / counts.clamp_min(1), centres)
        home = nearest(rows, centres)
    return centres, home
