"""Popularity: everyone's score of an item is the number of distinct users who met it."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from recsys_cl.core.values import Encoding, Interactions


class Popular(nn.Module):
    """One-dimensional vectors: every user is 1, every item its count. There is nothing to learn and nothing to save.

    The counts are those of the interactions at hand, so that a test counts everything known by then. They are exact up to
    2^24 users. Relations: ``recent_popular`` with an endless half life.
    """

    counts: Tensor

    dim = 1

    def __init__(self, interactions: Interactions) -> None:
        super().__init__()
        items = interactions.shape.items
        pairs = torch.unique(interactions.users * items + interactions.items)
        self.register_buffer("counts", torch.bincount(pairs % items, minlength=items).float()[:, None], persistent=False)

    def forward(self, sources: Sequence[object], users: Tensor, items: Tensor | None = None) -> list[Encoding]:
        """Whatever the sources, users [Q, 1] and items [M, 1]."""
        counts = self.counts if items is None else self.counts[items]
        return [Encoding(self.counts.new_ones(len(users), 1), counts) for _ in sources]
