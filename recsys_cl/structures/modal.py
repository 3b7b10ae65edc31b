"""The multimodal family: who met what as a graph, beside what is known of the items' content; and the feed of both."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import torch
from pydantic import PositiveInt
from torch import Generator, Tensor

from recsys_cl.core.errors import Refused
from recsys_cl.core.protocols import NegativeSampler
from recsys_cl.core.values import Batch, Interactions, ItemFeatures, Shape
from recsys_cl.structures.graph import Graph, GraphFeed


@dataclass(frozen=True, slots=True, eq=False)
class Modal:
    """A graph and its items' content. A modality that an item lacks is masked, in the log as in a view."""

    shape: Shape
    graph: Graph
    features: ItemFeatures
    own: Tensor  # [I] bool: items that may count with a vector of their own; of the others their content must say all


class ModalFeed:
    """The batches of the graph family, with the items' features beside the graph.

    An item that nobody met has no vector of its own that could have been learned: it is known by its content alone.

    Args:
        features: of the items; where the pipeline declares none, this family cannot be.
        sampler: where negatives come from; None leaves ``Batch.negative`` empty.
        batch_size: interactions in a batch; the last of an epoch may be smaller.
    """

    reads_histories = False

    def __init__(
        self,
        shape: Shape,
        interactions: Interactions,
        features: ItemFeatures | None = None,
        sampler: NegativeSampler | None = None,
        batch_size: PositiveInt = 2048,
    ) -> None:
        self._features = checked(features, shape)
        self._edges = GraphFeed(shape, interactions, sampler, batch_size)
        self._own = torch.bincount(interactions.items, minlength=shape.items) > 0
        self.shape, self.steps = shape, self._edges.steps

    def training(self, rng: Generator) -> Iterator[Batch[Modal]]:
        """One epoch; every distinct interaction is the positive of exactly one query."""
        for batch in self._edges.training(rng):
            made: Any = replace(batch, source=self._beside(batch.source))  # type: ignore[arg-type]
            yield made

    def inference(self, users: Tensor) -> Iterator[tuple[Modal, Tensor]]:
        """The whole graph at once."""
        for graph, served in self._edges.inference(users):
            yield self._beside(graph), served

    def _beside(self, graph: Graph) -> Modal:
        return Modal(self.shape, graph, self._features, self._own)


def checked(features: ItemFeatures | None, shape: Shape) -> ItemFeatures:
    """Features that are there and hold a row for every item.

    Raises:
        Refused: they are not.
    """
    if features is None:
        raise Refused("source: multimodal recipes read features of the items; declare them under [prepare.features]")
    for name, modality in features:
        if len(modality.values) != shape.items or len(modality.present) != shape.items:
            raise Refused(f"features: '{name}' has {len(modality.values)} rows, where there are {shape.items} items")
    return features
