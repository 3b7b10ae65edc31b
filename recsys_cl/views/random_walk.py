"""SGL-RW: every layer sees its own graph of randomly kept edges. Wu et al., 2021, SGL, arXiv:2010.10783, section 3.1."""

from __future__ import annotations

from dataclasses import replace

from pydantic import PositiveInt
from torch import Generator

from recsys_cl.core.errors import Refused
from recsys_cl.structures.graph import Graph
from recsys_cl.views._drop import Rate, checked, survivors, with_all_edges, without
from recsys_cl.views._held import Held, Hold


class RandomWalk:
    """An independent edge drop for each layer, each normalised by its own degrees.

    Args:
        rate: probability of an edge to be left out of a layer, in [0, 1).
        layers: as many as the encoder has.
        hold: draw new graphs every ``epoch``, as its authors do, every ``step``, or every so many steps.
    """

    def __init__(self, rate: Rate, layers: PositiveInt, hold: Hold = "epoch") -> None:
        if layers < 1:
            raise Refused(f"layers must be at least 1, got {layers}")
        self._rate = checked(rate)
        self._layers = layers
        self._held = Held(self._draw, hold)

    def __call__(self, source: Graph, rng: Generator) -> Graph:
        """``source`` with a graph for each layer."""
        return self._held(with_all_edges(source, "random_walk"), rng)

    def _draw(self, source: Graph, rng: Generator) -> Graph:
        whole = source.adjacency
        drawn = (survivors(whole.edges, self._rate, rng, whole.back.device) for _ in range(self._layers))
        return replace(source, walk=tuple(without(whole, kept, self._rate) for kept in drawn))
