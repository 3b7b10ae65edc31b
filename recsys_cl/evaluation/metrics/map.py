"""Mean average precision: precision at the rank of every hit, averaged."""

from __future__ import annotations

import torch
from torch import Tensor

from recsys_cl.core.values import Ranking


class MeanAveragePrecision:
    """``sum over hits in the first k of (hits so far / rank) / min(k, held-out items)``, between 0 and 1.

    Dividing by ``min(k, held-out)`` makes 1 reachable for everyone, as in RecBole and in ``recommenders``' ``map_at_k``;
    trec_eval and ranx divide by all held-out items, which bounds users with more than ``k`` of them below 1.
    """

    convention = "sum of precisions at the hits in the first k / min(k, number of held-out items)"
    reads: tuple[str, ...] = ()
    larger_is_better: bool | None = True

    def __init__(self, k: int) -> None:
        self.k = k
        self.name = f"map@{k}"

    def __call__(self, ranking: Ranking) -> Tensor:
        """Values [U], float64; 0 where nothing was held out."""
        hits = ranking.hits[:, : self.k].double()
        ranks = torch.arange(1, hits.shape[1] + 1, device=hits.device, dtype=torch.float64)
        return (hits * hits.cumsum(1) / ranks).sum(1) / ranking.held_out.clamp(1, self.k)
