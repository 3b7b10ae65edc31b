"""SGL-ED: every edge is left out with the same probability. Wu et al., 2021, SGL, arXiv:2010.10783, section 3.1."""

from __future__ import annotations

from dataclasses import replace

from torch import Generator

from recsys_cl.structures.graph import Graph
from recsys_cl.views._drop import Rate, checked, survivors, with_all_edges, without
from recsys_cl.views._held import Held, Hold


class EdgeDrop:
    """One smaller graph for all layers, normalised by its own degrees.

    Args:
        rate: probability of an edge to be left out, in [0, 1).
        hold: draw a new graph every ``epoch``, as its authors do, every ``step``, or every so many steps.
    """

    def __init__(self, rate: Rate, hold: Hold = "epoch") -> None:
        self._rate = checked(rate)
        self._held = Held(self._draw, hold)

    def __call__(self, source: Graph, rng: Generator) -> Graph:
        """``source`` with fewer edges."""
        return self._held(with_all_edges(source, "edge_drop"), rng)

    def _draw(self, source: Graph, rng: Generator) -> Graph:
        kept = survivors(source.adjacency.edges, self._rate, rng, source.adjacency.back.device)
        return replace(source, adjacency=without(source.adjacency, kept, self._rate))
