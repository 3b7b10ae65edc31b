"""Vector diversity: how far the items in one list are apart in the model's own space."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import normalize

from recsys_cl.core.values import Ranking

_CELLS = 2**24
"""Users times list times dimensions that are worked on at once."""


class VectorDiversity:
    """Mean over pairs of listed items of ``1 - cosine`` of their vectors, between 0 and 2.

    Intra-list distance as in Castells, Hurley & Vargas, 2015, Recommender Systems Handbook, chapter 26. Every model
    measures itself here: compare lists of one model. Relations: ``intra_list_diversity`` measures by categories.
    """

    convention = "mean of 1 - cosine of the model's item vectors over pairs of the first k; a zero vector has cosine 0"
    reads: tuple[str, ...] = ("vectors",)
    larger_is_better: bool | None = None

    def __init__(self, k: int) -> None:
        self.k = k
        self.name = f"vector_diversity@{k}"

    def __call__(self, ranking: Ranking) -> Tensor:
        """Values [U], float64; 0 for lists without a pair."""
        assert ranking.vectors is not None
        vectors, items = ranking.vectors, ranking.items[:, : self.k]
        block = max(_CELLS // (vectors.shape[1] * max(items.shape[1], 1)), 1)
        values = [_diversity(some, vectors) for some in torch.split(items, block)]
        return torch.cat(values) if values else torch.zeros(0, dtype=torch.float64)


def _diversity(items: Tensor, vectors: Tensor) -> Tensor:
    """Values [b] of the lists ``items`` [b, k], without looking at pairs: the squared sum holds all their products."""
    listed = items >= 0
    units = normalize(vectors[items.clamp(min=0)].double(), dim=-1) * listed[:, :, None]
    count = listed.sum(1)
    cosines = units.sum(1).square().sum(1) - units.square().sum((1, 2))  # of ordered pairs
    pairs = count * (count - 1)
    return torch.where(pairs > 0, 1 - cosines / pairs.clamp(min=1), 0.0)
