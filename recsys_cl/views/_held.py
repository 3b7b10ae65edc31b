"""A graph drawn once an epoch, or every so many steps, instead of once a step."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from pydantic import PositiveInt
from torch import Generator

from recsys_cl.core.errors import Refused
from recsys_cl.structures.graph import Graph

Hold = Literal["step", "epoch"] | PositiveInt
"""How long a drawn graph is kept: a ``step``, an ``epoch`` (one Graph object of a feed), or so many steps of an epoch."""


class Held:
    """Draws anew for every source (``epoch``), at every call (``step``), or at every so many calls and for every source.

    Nothing is kept from one epoch to the next, so that a run that goes on from a checkpoint draws what it would have drawn.
    """

    def __init__(self, draw: Callable[[Graph, Generator], Graph], hold: Hold) -> None:
        if hold not in ("step", "epoch") and not (isinstance(hold, int) and hold >= 1):
            raise Refused(f"hold must be 'step', 'epoch' or a number of steps, got {hold!r}")
        self._draw = draw
        self._hold = 1 if hold == "step" else hold
        self._last: tuple[Graph, Graph] | None = None
        self._calls = 0

    def __call__(self, source: Graph, rng: Generator) -> Graph:
        """The view in force for ``source``."""
        self._calls += 1
        over = self._hold != "epoch" and self._calls > self._hold
        if self._last is None or self._last[0] is not source or over:
            self._last, self._calls = (source, self._draw(source, rng)), 1
        return self._last[1]
