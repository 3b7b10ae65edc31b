"""A batch names each id once: distinct ids with the positives first, and for every mention the row it became."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor


class Distinct(NamedTuple):
    """The items of one training step; fills the fields of ``Batch`` that bear the same meaning."""

    ids: Tensor  # [M] distinct ids: the positives in rising order, then the other negatives in rising order
    positives: int  # ids[:positives] are the distinct positives
    positive: Tensor  # [B] ids[positive] are the positives given
    negative: Tensor | None  # ids[negative] are the negatives given, in their shape


def distinct(positives: Tensor, negatives: Tensor | None = None) -> Distinct:
    """Name every id of ``positives`` [B] and ``negatives`` ([B, K], [K] or None) once, the positives first.

    A negative that is somebody's positive points at the positive's row, so one id is never two samples.
    """
    ids, positive = unique(positives)
    count = ids.numel()
    if negatives is None:
        return Distinct(ids, count, positive, None)
    drawn, inverse = unique(negatives.reshape(-1))
    slot = torch.searchsorted(ids, drawn).clamp_(max=count - 1)
    new = ids[slot] != drawn
    row = torch.where(new, count - 1 + new.cumsum(0), slot)
    return Distinct(torch.cat((ids, drawn[new])), count, positive, row[inverse].view(negatives.shape))


def unique(ids: Tensor) -> tuple[Tensor, Tensor]:
    """``torch.unique(ids, return_inverse=True)`` for ids >= 0, [N], not empty: without sorting where ids are dense enough."""
    bound = int(ids.max()) + 1
    if bound > _DENSE * ids.numel():
        values, inverse = torch.unique(ids, return_inverse=True)
        return values, inverse
    met = torch.zeros(bound, dtype=torch.bool, device=ids.device)
    met[ids] = True
    values = met.nonzero().squeeze(1)
    rank = torch.empty(bound, dtype=torch.int64, device=ids.device)
    rank[values] = torch.arange(values.numel(), device=ids.device)
    return values, rank[ids]


_DENSE = 8  # ids per mention below which a table of all ids beats sorting the mentions (measured: between 5 and 20)
