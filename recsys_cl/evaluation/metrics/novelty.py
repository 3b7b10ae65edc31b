"""Novelty: how surprising the recommended items are to someone who only knows what is popular, in bits."""

from __future__ import annotations

import torch
from torch import Tensor

from recsys_cl.core.values import Ranking


class Novelty:
    """Mean over the first ``k`` of the self-information ``log2(interactions of all / interactions of the item)``.

    Zhou et al., 2010, PNAS 107(10), with the item's share of all known interactions as its probability. An item that was never
    met counts as met once. Random lists are the most novel of all: read it beside a metric of accuracy.
    """

    convention = "mean of log2(known interactions / known interactions of the item) over the listed items among the first k"
    reads: tuple[str, ...] = ("popularity",)
    larger_is_better: bool | None = None

    def __init__(self, k: int) -> None:
        self.k = k
        self.name = f"novelty@{k}"

    def __call__(self, ranking: Ranking) -> Tensor:
        """Values [U], float64; 0 for an empty list."""
        assert ranking.popularity is not None
        met = ranking.popularity.double()
        items = ranking.items[:, : self.k]
        bits = (met.sum() / met.clamp(min=1)).clamp(min=1).log2()
        listed = torch.where(items >= 0, bits[items.clamp(min=0)], 0.0)
        return listed.sum(1) / (items >= 0).sum(1).clamp(min=1)
