"""SGL-ND: every user and item loses all its edges with the same probability. Wu et al., 2021, SGL, arXiv:2010.10783."""

from __future__ import annotations

from dataclasses import replace

from torch import Generator

from recsys_cl.structures.graph import Graph
from recsys_cl.views._drop import Rate, checked, survivors, with_all_edges, without
from recsys_cl.views._held import Held, Hold


class NodeDrop:
    """One graph for all layers of the nodes that stay, normalised by its own degrees.

    Args:
        rate: probability of a node to be left out, in [0, 1); an edge stays with probability (1 - rate)^2.
        hold: draw a new graph every ``epoch``, as its authors do, every ``step``, or every so many steps.
    """

    def __init__(self, rate: Rate, hold: Hold = "epoch") -> None:
        self._rate = checked(rate)
        self._held = Held(self._draw, hold)

    def __call__(self, source: Graph, rng: Generator) -> Graph:
        """``source`` with some nodes isolated."""
        return self._held(with_all_edges(source, "node_drop"), rng)

    def _draw(self, source: Graph, rng: Generator) -> Graph:
        shape, device = source.shape, source.adjacency.back.device
        stays = survivors(shape.users + shape.items, self._rate, rng, device)
        users, items = source.adjacency.ends()
        kept = stays[users] & stays[shape.users + items]
        return replace(source, adjacency=without(source.adjacency, kept, self._rate))
