"""Which edges an epoch asks for, and in which order."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Generator, Tensor

Draw = Literal["interactions", "users"]


class Epoch:
    """As many queries as there are edges: each edge once, or every user as often as any other.

    By users, each of them asks ``E / U`` times, rounded up or down, each time for one of their items, drawn anew. Then a user
    counts alike whatever they met, as in a metric that is a mean over users; by interactions, whoever met more counts more.
    The code of He et al. 2020, LightGCN, goes by users; most others go by interactions.

    Args:
        users: whose each edge is [E], the edges of a user side by side.
        draw: by what an epoch goes.
    """

    def __init__(self, users: Tensor, draw: Draw) -> None:
        self._edges, self._draw = users.numel(), draw
        self._degrees = torch.unique_consecutive(users, return_counts=True)[1] if draw == "users" else users[:0]
        self._starts = self._degrees.cumsum(0) - self._degrees

    def __call__(self, rng: Generator) -> Tensor:
        """The edges of one epoch [E], by their numbers."""
        place = self._starts.device
        order = torch.randperm(self._edges, generator=rng, device=rng.device).to(place)
        if self._draw == "interactions":
            return order
        first, which = (
            torch.randint(_LARGE, size, generator=rng, device=rng.device).to(place) for size in ((1,), (self._edges,))
        )
        turns = (order + first) % self._degrees.numel()  # from anywhere, so that the rest of E / U falls to everybody in time
        return self._starts[turns] + which % self._degrees[turns]


_LARGE = 2**60  # so much larger than a degree that its remainder is as good as uniform
