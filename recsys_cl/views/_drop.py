"""Random subsets of a graph's edges, never empty."""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import Field
from torch import Generator, Tensor

from recsys_cl.core.errors import Refused
from recsys_cl.ops.adjacency import Adjacency
from recsys_cl.structures.graph import Graph

Rate = Annotated[float, Field(ge=0, lt=1)]
"""Probability of something to be left out."""


def checked(rate: float) -> float:
    """``rate``, which must lie in [0, 1) also where no settings were read."""
    if not 0 <= rate < 1:
        raise Refused(f"rate must lie in [0, 1), got {rate}")
    return rate


def survivors(count: int, rate: float, rng: Generator, device: torch.device) -> Tensor:
    """Each of ``count`` things is dropped with probability ``rate``, independently: bool [count], true where it stays."""
    return torch.rand(count, generator=rng, device=rng.device).to(device) >= rate


def with_all_edges(source: Graph, view: str) -> Graph:
    """``source``, of whose edges ``view`` may leave some out.

    Raises:
        Refused: a view before has made something of the edges, which would be lost.
    """
    for earlier, made in (("svd", source.low_rank), ("random_walk", source.walk)):
        if made:
            raise Refused(f"views: what '{earlier}' makes of the graph is lost where '{view}' follows; put '{view}' before it")
    return source


def without(adjacency: Adjacency, kept: Tensor, rate: float) -> Adjacency:
    """The edges where ``kept`` [E] is true, degrees counted anew."""
    left = adjacency.keep(kept)
    if adjacency.edges and not left.edges:
        raise Refused(f"views: rate {rate} left none of the graph's {adjacency.edges} edges")
    return left
