"""Popularity-proportional negatives, smoothed by an exponent (Mikolov et al. 2013, arXiv:1310.4546, section 2.2)."""

from __future__ import annotations

from copy import copy
from typing import Annotated

import torch
from annotated_types import Ge
from torch import Generator, Tensor

from recsys_cl.core.errors import Refused
from recsys_cl.core.values import Interactions, Shape
from recsys_cl.ops.complement import Complement


class Popular:
    """An item a user has not met, with probability proportional to ``count ** alpha``; items nobody met are never drawn.

    Args:
        negatives: how many a query gets, K >= 1.
        alpha: 1 follows the log, 0 forgets it, 0.75 is word2vec's.
        shared: one draw of K items for all queries instead, from the whole catalogue; see ``uniform``.
    """

    def __init__(
        self,
        *,
        shape: Shape,
        interactions: Interactions,
        negatives: Annotated[int, Ge(1)] = 1,
        alpha: Annotated[float, Ge(0)] = 0.75,
        shared: bool = False,
    ) -> None:
        if negatives < 1:
            raise Refused(f"negatives: must be at least 1, got {negatives}")
        if not 0 <= alpha < torch.inf:
            raise Refused(f"alpha: must be finite and at least 0, got {alpha}")
        self.negatives, self.shared, self.interactions = negatives, shared, interactions
        self.weights = _widths(torch.bincount(interactions.items, minlength=shape.items), alpha, shape.users)
        self.ends, self.unmet = self._line(self.weights)

    def __call__(self, users: Tensor, rng: Generator) -> Tensor:
        """Item ids [B, K] for ``users`` [B], or [K] when shared. A user for whom nothing is left is Refused."""
        if self.unmet is None:
            point = torch.rand(self.negatives, dtype=torch.float64, generator=rng, device=rng.device).to(users.device)
            return torch.searchsorted(self.ends, (point * self.ends[-1]).long(), right=True)
        return self.unmet.draw(users.unsqueeze(1).expand(-1, self.negatives), rng)

    def log_q(self, items: Tensor) -> Tensor:
        """Log-probability of each of ``items`` [M] before a user's own are left out; -inf where nobody met it."""
        return (self.weights[items].double() / self.ends[-1]).log()

    def within(self, inside: Tensor) -> Popular:
        """The same among the items ``inside`` [I] bool alone, in the same proportions."""
        part = copy(self)
        part.weights = self.weights * inside
        part.ends, part.unmet = self._line(part.weights)
        return part

    def _line(self, weights: Tensor) -> tuple[Tensor, Complement | None]:
        """Where the stretch of each item ends, and what users have not met."""
        return weights.cumsum(0), None if self.shared else Complement.of(self.interactions, weights)


def _widths(counts: Tensor, alpha: float, users: int) -> Tensor:
    """Integers proportional to ``counts ** alpha``, as fine as the 63 bits of a (user, place) key and a double allow."""
    met = counts > 0
    share = torch.where(met, (counts.double() / counts.max().clamp_min(1)) ** alpha, 0.0)
    line = min(2**61 // max(1, users), 2**51)
    return torch.where(met, (share / share.sum() * line).round().long().clamp_min(1), 0)
