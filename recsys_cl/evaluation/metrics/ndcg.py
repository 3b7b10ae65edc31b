"""Normalised discounted cumulative gain: hits count more the earlier they come."""

from __future__ import annotations

import torch
from torch import Tensor

from recsys_cl.core.values import Ranking


class NDCG:
    """``DCG / best possible DCG`` with binary gains and discount ``1 / log2(rank + 1)`` (Järvelin & Kekäläinen, 2002).

    The best list has ``min(k, held-out items)`` hits in front, so everyone can reach 1.
    """

    convention = "binary gain, discount 1/log2(rank+1), ideal list of min(k, number of held-out items) hits"
    reads: tuple[str, ...] = ()
    larger_is_better: bool | None = True

    def __init__(self, k: int) -> None:
        self.k = k
        self.name = f"ndcg@{k}"

    def __call__(self, ranking: Ranking) -> Tensor:
        """Values [U], float64; 0 where nothing was held out."""
        hits = ranking.hits[:, : self.k].double()
        discounts = 1 / torch.arange(2, self.k + 2, device=hits.device, dtype=torch.float64).log2()
        ideal = discounts.cumsum(0)[ranking.held_out.clamp(1, self.k) - 1]
        return hits @ discounts[: hits.shape[1]] / ideal
