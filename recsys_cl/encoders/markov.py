"""First-order Markov chain: what comes next depends on the last item alone."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from recsys_cl.core.errors import Refused
from recsys_cl.core.values import Encoding, Interactions, Ragged
from recsys_cl.encoders._item_to_item import ItemToItem, is_wide, refuse_beyond


class MarkovChain(nn.Module):
    """Score of ``j`` after ``i`` = ``(times j followed i + smoothing * share of j) / (times i was followed + smoothing)``.

    The maximum-likelihood chain of Rendle et al., 2010, WWW, "Factorizing personalized Markov chains", section 3, smoothed
    towards popularity (the share of all interactions) as a Dirichlet prior does (MacKay & Peto, 1995), so that after an item
    that nobody went on from the popular ones lead. What followed is read in the order of time, repeats included.

    Args:
        interactions: what is known, by time.
        smoothing: how many transitions popularity is worth.
        limit_mib: chances that take more are refused.
    """

    def __init__(self, interactions: Interactions, smoothing: float = 1.0, limit_mib: int = 8192) -> None:
        super().__init__()
        if not 0 < smoothing < np.inf:
            raise Refused(f"smoothing: must be positive, got {smoothing}")
        refuse_beyond(limit_mib, interactions.shape, interactions.shape.items**2 * 4)
        self.dim = interactions.shape.items
        histories = interactions.by_user()
        self.model = ItemToItem(
            _last(histories), _transitions(histories, self.dim, smoothing), wide=is_wide(interactions.shape)
        )

    def forward(self, sources: Sequence[object], users: Tensor, items: Tensor | None = None) -> list[Encoding]:
        """Whatever the sources, users [Q, I] and items [M, I]."""
        encoding: Encoding = self.model(users, items)
        return [encoding for _ in sources]


def _last(histories: Ragged) -> Ragged:
    """The newest item of each row alone; rows without any stay empty."""
    there = histories.lengths > 0
    offsets = torch.zeros_like(histories.offsets)
    torch.cumsum(there, 0, out=offsets[1:])
    return Ragged(histories.values[histories.offsets[1:][there] - 1], offsets)


def _transitions(histories: Ragged, items: int, smoothing: float) -> Tensor:
    """``[i, j]``: the smoothed chance of ``j`` right after ``i``."""
    values = histories.values
    inside = torch.ones(len(values), dtype=torch.bool, device=values.device)
    inside[histories.offsets[1:][histories.lengths > 0] - 1] = False  # nothing follows the last one
    before = inside.nonzero().squeeze(1)
    counts = torch.zeros(items * items, device=values.device)
    counts.index_add_(0, values[before] * items + values[before + 1], torch.ones(len(before), device=values.device))
    chances = counts.view(items, items)
    followed = chances.sum(1)
    share = torch.bincount(values, minlength=items) / max(len(values), 1)
    return chances.add_(smoothing * share).div_((followed + smoothing)[:, None])
