"""Uniform negatives: every item a user has passed over is equally likely."""

from __future__ import annotations

from typing import Annotated

import torch
from annotated_types import Ge
from torch import Generator, Tensor

from recsys_cl.core.errors import Refused
from recsys_cl.core.values import Interactions, ItemFeatures, Shape
from recsys_cl.ops.complement import Complement


class Uniform:
    """Exactly uniform over the complement of a user's items, a whole epoch in one call.

    An item that nobody met and that is there for its content alone is new; nobody has passed it over, and it is never drawn.

    Args:
        features: of the items, where the pipeline declares some.
        negatives: how many a query gets, K >= 1.
        shared: one draw of K items for all queries instead. They are drawn from the whole catalogue, so some query may
            have met some of them; objectives leave out a query's own positive, nothing more.
    """

    def __init__(
        self,
        *,
        shape: Shape,
        interactions: Interactions,
        features: ItemFeatures | None = None,
        negatives: Annotated[int, Ge(1)] = 1,
        shared: bool = False,
    ) -> None:
        if negatives < 1:
            raise Refused(f"negatives: must be at least 1, got {negatives}")
        self.negatives = negatives
        passed = _passed_over(shape, interactions, features)
        self.drawn = passed.nonzero().flatten()
        self.log_chance = (passed.double() / len(self.drawn)).log()
        self.unmet = None if shared else Complement.of(interactions, passed.long())

    def __call__(self, users: Tensor, rng: Generator) -> Tensor:
        """Item ids [B, K] that ``users`` [B] have not met, or [K] when shared. A user who has met all items is Refused."""
        if self.unmet is None:
            drawn = torch.randint(len(self.drawn), (self.negatives,), generator=rng, device=rng.device)
            return self.drawn[drawn.to(users.device)]
        return self.unmet.draw(users.unsqueeze(1).expand(-1, self.negatives), rng)

    def log_q(self, items: Tensor) -> Tensor:
        """-log of how many can be drawn for each of ``items`` [M], -inf for others; a user's own are neglected."""
        return self.log_chance[items]


def _passed_over(shape: Shape, interactions: Interactions, features: ItemFeatures | None) -> Tensor:
    """The items [I] that were there to be met."""
    met = torch.bincount(interactions.items, minlength=shape.items) > 0
    return torch.ones_like(met) if features is None else met | ~features.known
