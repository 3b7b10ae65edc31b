"""Weighted draws from what a row does *not* hold: exact, without rejection, for a whole epoch in two binary searches."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from recsys_cl.core.errors import Refused
from recsys_cl.core.values import Interactions


@dataclass(frozen=True, slots=True, eq=False)
class Complement:
    """Draws for user ``u`` an item it has not met, with probability proportional to the item's integer weight.

    Lay the items side by side, each as wide as its weight, and cut out the user's own: a draw is a point on what is left.
    Its place on the whole line is found by counting the cut-out items before it, one search in ``starts``; the item
    standing there by another search in ``ends``. Integer widths make both exact: an item that was met is never drawn.
    """

    ends: Tensor  # [I] where each item's stretch of the line ends
    free: Tensor  # [U] what is left of the line for each user
    offsets: Tensor  # [U + 1] rows of the two below, by user
    starts: Tensor  # [E] user * (line + 1) + what is left of the line before each cut-out item; never falling
    before: Tensor  # [E + 1] total width of the cut-out items before each, over all users

    @staticmethod
    def of(interactions: Interactions, weights: Tensor) -> Complement:
        """Cut every user's items out of the line; ``weights`` [I] int64 >= 0, whose sum times users is below 2^63."""
        shape = interactions.shape
        pairs = torch.unique(interactions.users * shape.items + interactions.items)
        users, items = pairs // shape.items, pairs % shape.items
        ends = weights.cumsum(0)
        line = ends[-1]
        before = torch.cat((weights.new_zeros(1), weights[items].cumsum(0)))
        offsets = torch.searchsorted(users, torch.arange(shape.users + 1, device=users.device))
        own = before[:-1] - before[offsets[users]]
        starts = users * (line + 1) + (ends[items] - weights[items] - own)
        return Complement(ends, line - before[offsets].diff(), offsets, starts, before)

    def draw(self, users: Tensor, rng: Generator) -> Tensor:
        """One item for each entry of ``users`` (any shape), on their device. A user with nothing left is Refused."""
        free = self.free[users]
        if free.numel() and free.min() == 0:
            raise Refused(f"user {int(users[free == 0][0])} has met every item that can be drawn: there is no negative left")
        point = torch.rand(users.shape, dtype=torch.float64, generator=rng, device=rng.device).to(users.device)
        place = torch.minimum((point * free).long(), free - 1)
        passed = torch.searchsorted(self.starts, users * (self.ends[-1] + 1) + place, right=True)
        place = place + self.before[passed] - self.before[self.offsets[users]]
        return torch.searchsorted(self.ends, place, right=True)
