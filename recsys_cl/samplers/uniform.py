"""Uniform negatives: every item a user has not met is equally likely."""

from __future__ import annotations

import math
from typing import Annotated

import torch
from annotated_types import Ge
from torch import Generator, Tensor

from recsys_cl.core.errors import Refused
from recsys_cl.core.values import Interactions, Shape
from recsys_cl.ops.complement import Complement


class Uniform:
    """Exactly uniform over the complement of a user's items, a whole epoch in one call.

    Args:
        negatives: how many a query gets, K >= 1.
        shared: one draw of K items for all queries instead. They are drawn from the whole catalogue, so some query may
            have met some of them; objectives leave out a query's own positive, nothing more.
    """

    def __init__(
        self, *, shape: Shape, interactions: Interactions, negatives: Annotated[int, Ge(1)] = 1, shared: bool = False
    ) -> None:
        if negatives < 1:
            raise Refused(f"negatives: must be at least 1, got {negatives}")
        self.shape = shape
        self.negatives = negatives
        ones = torch.ones(shape.items, dtype=torch.int64, device=interactions.items.device)
        self.unmet = None if shared else Complement.of(interactions, ones)

    def __call__(self, users: Tensor, rng: Generator) -> Tensor:
        """Item ids [B, K] that ``users`` [B] have not met, or [K] when shared. A user who has met all items is Refused."""
        if self.unmet is None:
            drawn = torch.randint(self.shape.items, (self.negatives,), generator=rng, device=rng.device)
            return drawn.to(users.device)
        return self.unmet.draw(users.unsqueeze(1).expand(-1, self.negatives), rng)

    def log_q(self, items: Tensor) -> Tensor:
        """-log of the catalogue's size for each of ``items`` [M]; that a user's own are left out is neglected."""
        return torch.full(items.shape, -math.log(self.shape.items), dtype=torch.float64, device=items.device)
