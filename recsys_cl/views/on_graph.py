"""Views of the graph family on the graph inside a multimodal source."""

from __future__ import annotations

from dataclasses import replace

from torch import Generator

from recsys_cl.core.protocols import View
from recsys_cl.core.values import Interactions, Shape
from recsys_cl.structures.graph import Graph
from recsys_cl.structures.modal import Modal
from recsys_cl.views._several import Several, several


class OnGraph:
    """The views ``of``, one after another, alter the graph; the content stays. Chain it with others to alter both."""

    def __init__(self, shape: Shape, interactions: Interactions, of: Several) -> None:
        self.views: list[View[Graph]] = several(of, shape, interactions, Graph)

    def __call__(self, source: Modal, rng: Generator) -> Modal:
        """``source`` with another graph."""
        graph = source.graph
        for view in self.views:
            graph = view(graph, rng)
        return replace(source, graph=graph)
