"""A graph drawn once an epoch instead of once a step."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from torch import Generator

from recsys_cl.structures.graph import Graph

Hold = Literal["step", "epoch"]
"""How long a drawn graph is kept; an epoch of a feed is one Graph object."""


class Held:
    """Draws anew for every source (``epoch``) or at every call (``step``)."""

    def __init__(self, draw: Callable[[Graph, Generator], Graph], hold: Hold) -> None:
        self._draw = draw
        self._hold = hold
        self._last: tuple[Graph, Graph] | None = None

    def __call__(self, source: Graph, rng: Generator) -> Graph:
        """The view in force for ``source``."""
        if self._hold == "step":
            return self._draw(source, rng)
        if self._last is None or self._last[0] is not source:
            self._last = source, self._draw(source, rng)
        return self._last[1]
