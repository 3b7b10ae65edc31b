"""Mean average precision over all held-out items, also those for which a list of k has no room."""

from __future__ import annotations

import torch
from torch import Tensor

from recsys_cl.core.values import Ranking


class UncappedMeanAveragePrecision:
    """``sum over hits in the first k of (hits so far / rank) / held-out items``; trec_eval's ``map_cut_k``, ranx's ``map@k``.

    Users with more than ``k`` held-out items stay below 1. Relations: ``map`` divides by ``min(k, held-out items)``.
    """

    convention = "sum of precisions at the hits in the first k / number of held-out items (not capped at k)"
    reads: tuple[str, ...] = ()
    larger_is_better: bool | None = True

    def __init__(self, k: int) -> None:
        self.k = k
        self.name = f"uncapped_map@{k}"

    def __call__(self, ranking: Ranking) -> Tensor:
        """Values [U], float64; 0 where nothing was held out."""
        hits = ranking.hits[:, : self.k].double()
        ranks = torch.arange(1, hits.shape[1] + 1, device=hits.device, dtype=torch.float64)
        return (hits * hits.cumsum(1) / ranks).sum(1) / ranking.held_out.clamp(min=1)
