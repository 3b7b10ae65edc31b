"""Gini index of exposure: how unequally the recommendations fall on the catalogue, as values per user that average to it."""

from __future__ import annotations

import torch
from torch import Tensor

from recsys_cl.core.values import Ranking


class Gini:
    """Mean over users = Gini index of how often each item is listed: 0 when all equally, towards 1 when few get all.

    With items in rising order of their counts ``c`` it is ``sum over i of (2 i - I - 1) c_i / (I * sum of c)`` (Gunawardana &
    Shani, 2015, Recommender Systems Handbook). That is a sum over recommendations, so each user answers for the ranks of
    the items they got; equal counts share their ranks. Single users may lie outside 0 .. 1: only the mean is an index.
    Items that nobody gets count.
    """

    convention = "Gini index of the catalogue's counts in lists of k; per user U * sum of (2 rank - I - 1) / (I * total)"
    reads: tuple[str, ...] = ()
    larger_is_better: bool | None = False

    def __init__(self, k: int) -> None:
        self.k = k
        self.name = f"gini@{k}"

    def __call__(self, ranking: Ranking) -> Tensor:
        """Values [U], float64; 0 where all lists are empty."""
        items = ranking.items[:, : self.k]
        real = items >= 0
        catalogue = ranking.shape.items
        counts = torch.bincount(items[real], minlength=catalogue)
        _, level, sizes = torch.unique(counts, return_inverse=True, return_counts=True)
        above = 2 * sizes.cumsum(0) - sizes - catalogue  # 2 * middle rank of each level - I - 1
        shares = torch.where(real, above[level].double()[items.clamp(min=0)], 0.0)
        return shares.sum(1) * (len(items) / max(catalogue * int(counts.sum()), 1))
