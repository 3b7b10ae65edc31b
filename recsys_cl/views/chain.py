"""Several views one after another: each alters what the one before it made, of any family."""

from __future__ import annotations

from typing import Annotated, Generic, TypeVar

from pydantic import Field
from torch import Generator

from recsys_cl.core.build import build
from recsys_cl.core.protocols import View
from recsys_cl.core.settings import Component
from recsys_cl.core.values import Interactions, Shape

S = TypeVar("S")


class Chain(Generic[S]):
    """The views ``of`` in their order; what one of them holds, the next sees as held.

    Relations: ``one_of`` draws a single one for each history.
    """

    def __init__(
        self, shape: Shape, interactions: Interactions, of: Annotated[tuple[Component, ...], Field(min_length=1)]
    ) -> None:
        self.views: list[View[S]] = [
            build("views", component, f"views.of.{at}", shape=shape, interactions=interactions)
            for at, component in enumerate(of)
        ]

    def __call__(self, source: S, rng: Generator) -> S:
        """``source`` after all of them."""
        for view in self.views:
            source = view(source, rng)
        return source
