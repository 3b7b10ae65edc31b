"""ItemKNN: items are alike if the same users met them; each listens to its most alike."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from recsys_cl.core.errors import Refused
from recsys_cl.core.values import Encoding, Fold, Interactions
from recsys_cl.encoders._history import met
from recsys_cl.encoders._item_to_item import ItemToItem, refuse_beyond


class ItemKNN(nn.Module):
    """Score of ``j`` = sum over the met items among the ``neighbours`` most alike to ``j`` of their cosine to it.

    Deshpande & Karypis, 2004, ACM TOIS 22(1). The cosine of two items is ``users who met both / (sqrt(users of one * users of
    the other) + shrink)``; ``shrink`` keeps likeness that rests on few users small. Ties go to the smaller id.

    Args:
        interactions: what is known.
        neighbours: how many items each listens to.
        shrink: 0 for the plain cosine.
        limit_mib: vectors that take more are refused.
    """

    def __init__(self, interactions: Interactions, neighbours: int = 100, shrink: float = 10.0, limit_mib: int = 2048) -> None:
        super().__init__()
        if neighbours < 1:
            raise Refused(f"neighbours: must be at least 1, got {neighbours}")
        if not 0 <= shrink < np.inf:
            raise Refused(f"shrink: must not be negative, got {shrink}")
        refuse_beyond(limit_mib, interactions.shape)
        self.dim = interactions.shape.items
        self.model = ItemToItem(interactions.by_user(), _nearest(_cosines(met(interactions), shrink), neighbours))

    def forward(self, sources: Sequence[object], users: Tensor, items: Tensor | None = None) -> list[Encoding]:
        """Whatever the sources, users [Q, I] and items [M, I]."""
        encoding: Encoding = self.model(users, items)
        return [encoding for _ in sources]

    def fold_in(self, source: object) -> Fold:  # noqa: ARG002 - the protocol passes it
        """A new user is a row of ones like any other."""
        return self.model.fold()


def _cosines(matrix: Any, shrink: float) -> Tensor:
    """Shrunk cosines of all pairs [I, I]; an item is nothing to itself."""
    both = torch.from_numpy((matrix.T @ matrix).toarray())
    length = both.diagonal().sqrt()
    cosines = both / (length[:, None] * length + shrink).clamp(min=torch.finfo(torch.float64).tiny)
    return cosines.fill_diagonal_(0)


def _nearest(cosines: Tensor, neighbours: int) -> Tensor:
    """The same with all but the largest ``neighbours`` of each row set to 0."""
    order = cosines.sort(dim=1, descending=True, stable=True).indices
    return cosines.scatter_(1, order[:, neighbours:], 0.0)
