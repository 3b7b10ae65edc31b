"""Mean reciprocal rank: how early the first right recommendation comes."""

from __future__ import annotations

import torch
from torch import Tensor

from recsys_cl.core.values import Ranking


class MeanReciprocalRank:
    """``1 / rank of the first hit`` within ``k``, 0 without one (Voorhees, 1999, TREC-8 question answering)."""

    convention = "1 / rank of the first hit, 0 beyond k"
    reads: tuple[str, ...] = ()
    larger_is_better: bool | None = True

    def __init__(self, k: int) -> None:
        self.k = k
        self.name = f"mrr@{k}"

    def __call__(self, ranking: Ranking) -> Tensor:
        """Values [U], float64."""
        hits = ranking.hits[:, : self.k].double()
        ranks = torch.arange(1, hits.shape[1] + 1, device=hits.device, dtype=torch.float64)
        return (hits / ranks).amax(1)
