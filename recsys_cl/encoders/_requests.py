"""What a view may ask of an encoder of graphs, and which encoders cannot do it."""

from __future__ import annotations

from recsys_cl.core.errors import Refused
from recsys_cl.ops.adjacency import Adjacency
from recsys_cl.structures.graph import Graph


def only_edges(source: Graph, encoder: str) -> Adjacency:
    """The adjacency of ``source``, of which a view may have dropped edges.

    Raises:
        Refused: a view asks for noise, dropout, a low-rank adjacency or a graph for each layer, which ``encoder`` has not.
    """
    asked = {
        "layer_noise": source.noise,
        "svd": source.low_rank,
        "embedding_dropout": source.dropout,
        "random_walk": source.walk,
    }
    for view, request in asked.items():
        if request:
            raise Refused(f"views: '{encoder}' cannot do what '{view}' asks of it; 'lightgcn' can")
    return source.adjacency
