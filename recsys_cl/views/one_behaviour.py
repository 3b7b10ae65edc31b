"""One kind of behaviour alone as a view of everybody: what somebody viewed, against what they bought.

Wei et al., 2022, CML, WSDM, arXiv:2202.08523, sets a user's behaviours opposite each other.
"""

from __future__ import annotations

from dataclasses import replace

from torch import Generator

from recsys_cl.core.values import Interactions
from recsys_cl.ops.adjacency import Adjacency
from recsys_cl.structures._behaviour import of_type
from recsys_cl.structures.graph import Graph
from recsys_cl.views._drop import with_all_edges


class OneBehaviour:
    """Only the edges on which an event of type ``behaviour`` is known, whatever the source's edges are.

    Args:
        interactions: with their types of event (``prepare.behaviours = true``).
        behaviour: the type.
    """

    def __init__(self, interactions: Interactions, behaviour: str) -> None:
        self._met, self._behaviour = interactions, behaviour
        self._made: Adjacency | None = None

    def __call__(self, source: Graph, rng: Generator) -> Graph:  # noqa: ARG002 - the protocol passes it
        """The graph of that behaviour.

        Raises:
            Refused: types of event were not kept, there is no such one, or what another view made of the edges would be lost.
        """
        with_all_edges(source, "one_behaviour")
        if self._made is None:
            self._made = of_type(self._met, self._behaviour, "views: 'one_behaviour'", source.adjacency.ordering)
        return replace(source, adjacency=self._made)
