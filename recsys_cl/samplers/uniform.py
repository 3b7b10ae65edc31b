"""Uniform negatives: every item a user has passed over is equally likely."""

from __future__ import annotations

from copy import copy
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
        self.negatives, self.shared, self.interactions = negatives, shared, interactions
        self.drawn, self.log_chance, self.unmet = self._line(_passed_over(shape, interactions, features))

    def __call__(self, users: Tensor, rng: Generator) -> Tensor:
        """Item ids [B, K] that ``users`` [B] have not met, or [K] when shared. A user who has met all items is Refused."""
        if self.unmet is None:
            drawn = torch.randint(len(self.drawn), (self.negatives,), generator=rng, device=rng.device)
            return self.drawn[drawn.to(users.device)]
        return self.unmet.draw(users.unsqueeze(1).expand(-1, self.negatives), rng)

    def log_q(self, items: Tensor) -> Tensor:
        """-log of how many can be drawn for each of ``items`` [M], -inf for others; a user's own are neglected."""
        return self.log_chance[items]

    def within(self, inside: Tensor) -> Uniform:
        """The same among the items ``inside`` [I] bool alone."""
        part = copy(self)
        part.drawn, part.log_chance, part.unmet = self._line(inside & self.log_chance.isfinite())
        return part

    def _line(self, passed: Tensor) -> tuple[Tensor, Tensor, Complement | None]:
        """The items that are ``passed`` [I] over, the logarithm of each item's chance, and what users have not met."""
        drawn = passed.nonzero().flatten()
        unmet = None if self.shared else Complement.of(self.interactions, passed.long())
        return drawn, (passed.double() / len(drawn)).log(), unmet


def _passed_over(shape: Shape, interactions: Interactions, features: ItemFeatures | None) -> Tensor:
    """The items [I] that were there to be met."""
    met = torch.bincount(interactions.items, minlength=shape.items) > 0
    return torch.ones_like(met) if features is None else met | ~features.known
