"""LightGCL: the layers as a low-rank adjacency gives them, which keeps what all users have in common and drops the noise.

Cai et al., 2023, LightGCL, ICLR, arXiv:2302.08191.
"""

from __future__ import annotations

from dataclasses import replace

from pydantic import PositiveInt
from torch import Generator

from recsys_cl.core.chance import generator
from recsys_cl.core.errors import Refused
from recsys_cl.ops.adjacency import Adjacency
from recsys_cl.ops.low_rank import LowRank, factorise
from recsys_cl.structures.graph import Graph


class SVD:
    """Each layer's output is the low-rank adjacency times the layer below; that layer is the plain graph's.

    The factors belong to the graph and are found once, with chance of their own: a run that is taken up again has the same.

    Args:
        rank: singular triplets kept, 5 in the paper; at the smaller number of users and items the view is the graph.
    """

    def __init__(self, rank: PositiveInt = 5) -> None:
        if rank < 1:
            raise Refused(f"rank must be at least 1, got {rank}")
        self._rank = rank
        self._known: tuple[Adjacency, LowRank] | None = None

    def __call__(self, source: Graph, rng: Generator) -> Graph:  # noqa: ARG002
        """``source`` with a request for the low-rank adjacency of its graph."""
        if self._known is None or self._known[0] is not source.adjacency:
            self._known = source.adjacency, factorise(source.adjacency, self._rank, generator(0, "randomised SVD"))
        return replace(source, low_rank=self._known[1])
