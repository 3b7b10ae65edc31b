"""Views of the graph family on the graph inside a multimodal source."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

from pydantic import Field
from torch import Generator

from recsys_cl.core.build import build
from recsys_cl.core.protocols import View
from recsys_cl.core.settings import Component
from recsys_cl.core.values import Interactions, Shape
from recsys_cl.structures.graph import Graph
from recsys_cl.structures.modal import Modal


class OnGraph:
    """The views ``of``, one after another, alter the graph; the content stays. Chain it with others to alter both."""

    def __init__(
        self, shape: Shape, interactions: Interactions, of: Annotated[tuple[Component, ...], Field(min_length=1)]
    ) -> None:
        self.views: list[View[Graph]] = [
            build("views", component, f"views.of.{at}", shape=shape, interactions=interactions)
            for at, component in enumerate(of)
        ]

    def __call__(self, source: Modal, rng: Generator) -> Modal:
        """``source`` with another graph."""
        graph = source.graph
        for view in self.views:
            graph = view(graph, rng)
        return replace(source, graph=graph)
