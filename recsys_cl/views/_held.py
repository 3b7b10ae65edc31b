"""A graph drawn once an epoch, or every so many steps, instead of once a step."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Literal

from pydantic import PositiveInt
from torch import Generator

from recsys_cl.core.errors import Refused
from recsys_cl.structures.graph import Graph

Hold = Literal["step", "epoch"] | PositiveInt
"""How long a drawn graph is kept: a ``step``, an ``epoch``, or so many steps of an epoch."""


class Held:
    """Draws anew for every epoch, at every call (``step``), or at every so many calls of an epoch.

    The edges are what is kept: what the source asks of the encoder besides is its own at every call. Nothing is kept from
    one epoch to the next, so that a run that goes on from a checkpoint draws what it would have drawn.
    """

    def __init__(self, draw: Callable[[Graph, Generator], Graph], hold: Hold) -> None:
        if hold not in ("step", "epoch") and not (isinstance(hold, int) and hold >= 1):
            raise Refused(f"hold must be 'step', 'epoch' or a number of steps, got {hold!r}")
        self._draw = draw
        self._hold = 1 if hold == "step" else hold
        self._last: tuple[Graph, Graph] | None = None  # what edges were drawn from, and to what
        self._calls = 0

    def __call__(self, source: Graph, rng: Generator) -> Graph:
        """The view in force for ``source``."""
        self._calls += 1
        over = self._hold != "epoch" and self._calls > self._hold
        if self._last is None or over or not _same_edges(self._last[0], source):
            self._last, self._calls = (source, self._draw(source, rng)), 1
        first, drawn = self._last
        return drawn if first is source else replace(source, adjacency=drawn.adjacency, walk=drawn.walk)


def _same_edges(one: Graph, other: Graph) -> bool:
    """Those of one epoch; a graph that is of none is the same as itself alone."""
    known = one.epoch is other.epoch if one.epoch is not None else one is other
    return known and one.adjacency is other.adjacency
