"""Recent popularity: like popularity, but a meeting loses half of its weight every so many days."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from recsys_cl.core.errors import Refused
from recsys_cl.core.values import Encoding, Interactions

_DAY = 86_400 * 10**6  # microseconds


class RecentPopular(nn.Module):
    """One-dimensional vectors: every user is 1, every item ``sum over its users of 0.5 ^ (age / half life)``.

    Age is counted from the last interaction of all, and for a user who met an item repeatedly from the latest time. Where the
    log has no times, this is ``popular``.

    Args:
        interactions: what is known.
        half_life_days: after so many days a meeting weighs one half.
    """

    weights: Tensor

    dim = 1

    def __init__(self, interactions: Interactions, half_life_days: float = 30.0) -> None:
        super().__init__()
        if not half_life_days > 0:
            raise Refused(f"half_life_days: must be positive, got {half_life_days}")
        items, times = interactions.shape.items, interactions.times
        pairs, pair = torch.unique(interactions.users * items + interactions.items, return_inverse=True)
        latest = torch.zeros_like(pairs).scatter_reduce_(0, pair, times, "amax", include_self=False)
        ages = (times.amax() - latest if len(times) else latest).double() / _DAY
        weights = torch.zeros(items, dtype=torch.float64, device=times.device)
        weights.index_add_(0, pairs % items, torch.exp2(-ages / half_life_days))
        self.register_buffer("weights", weights.float()[:, None], persistent=False)

    def forward(self, sources: Sequence[object], users: Tensor, items: Tensor | None = None) -> list[Encoding]:
        """Whatever the sources, users [Q, 1] and items [M, 1]."""
        weights = self.weights if items is None else self.weights[items]
        return [Encoding(self.weights.new_ones(len(users), 1), weights) for _ in sources]
