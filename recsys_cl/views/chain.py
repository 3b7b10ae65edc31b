"""Several views one after another: each alters what the one before it made, of any family."""

from __future__ import annotations

from typing import Generic, TypeVar

from torch import Generator

from recsys_cl.core.protocols import View
from recsys_cl.core.values import Interactions, Shape
from recsys_cl.views._several import Several, several

S = TypeVar("S")


class Chain(Generic[S]):
    """The views ``of`` in their order; what one of them holds, the next sees as held.

    Relations: ``one_of`` draws a single one for each history.
    """

    def __init__(self, shape: Shape, interactions: Interactions, of: Several) -> None:
        self.views: list[View[S]] = several(of, shape, interactions)

    def __call__(self, source: S, rng: Generator) -> S:
        """``source`` after all of them."""
        for view in self.views:
            source = view(source, rng)
        return source
