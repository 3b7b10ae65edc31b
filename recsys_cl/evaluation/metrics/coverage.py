"""Catalogue coverage: the share of all items that is recommended to anyone, as values per user that average to it."""

from __future__ import annotations

import torch
from torch import Tensor

from recsys_cl.core.values import Ranking


class Coverage:
    """Mean over users = ``distinct items in all lists of k / items`` (Ge, Delgado-Battenfeld & Jannach, 2010, RecSys).

    Every recommended item is worth ``U / I`` and shared equally by the users who got it, so a user's value says how much of
    the coverage is owed to them: large for lists that nobody else gets. Values of single users may exceed 1; only their mean
    is a share, and it depends on how many users were asked.
    """

    convention = "distinct items in all lists of k / catalogue; per user (U/I) * sum of 1 / number of users who got the item"
    reads: tuple[str, ...] = ()
    larger_is_better: bool | None = True

    def __init__(self, k: int) -> None:
        self.k = k
        self.name = f"coverage@{k}"

    def __call__(self, ranking: Ranking) -> Tensor:
        """Values [U], float64."""
        items = ranking.items[:, : self.k]
        real = items >= 0
        counts = torch.bincount(items[real], minlength=ranking.shape.items)
        shares = torch.where(real, counts.double().reciprocal()[items.clamp(min=0)], 0.0)
        return shares.sum(1) * (len(items) / ranking.shape.items)
