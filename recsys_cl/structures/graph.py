"""The graph family: who met what as one bipartite graph, and the feed that batches its edges."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import torch
from pydantic import PositiveInt
from torch import Generator, Tensor

from recsys_cl.core.errors import Refused
from recsys_cl.core.protocols import NegativeSampler
from recsys_cl.core.values import Batch, Interactions, Shape
from recsys_cl.ops.adjacency import Adjacency, connect
from recsys_cl.ops.dropout import InputDropout
from recsys_cl.ops.flow import Flow
from recsys_cl.ops.low_rank import LowRank
from recsys_cl.ops.noise import LayerNoise
from recsys_cl.ops.recency import Recency
from recsys_cl.ops.rows import distinct
from recsys_cl.structures import _pyg
from recsys_cl.structures._edges import edges
from recsys_cl.structures._epoch import Draw, Epoch


@dataclass(frozen=True, slots=True, eq=False)
class Graph:
    """A bipartite graph to propagate along, and what a view may ask of the encoder while it does.

    A view that keeps its draw for an epoch knows it by ``epoch``, whatever views before it have asked of the encoder.
    """

    shape: Shape
    adjacency: Adjacency
    walk: tuple[Adjacency, ...] = ()  # one adjacency a layer, where a view gave each layer its own
    noise: LayerNoise | None = None  # noise that every layer's output gets
    low_rank: LowRank | None = None  # what gives the layers' outputs in place of the adjacency
    dropout: InputDropout | None = None  # coordinates of the encoder's table to leave out
    recency: float = 0.0  # how the edges' strengths fade with age, see ``ops/recency.py``
    epoch: object = None  # which of a feed's epochs it is of, told by identity

    def flow(self, layers: int) -> Flow:
        """How ``layers`` layers of an encoder carry the table along this graph."""
        if self.walk and len(self.walk) != layers:
            raise Refused(f"views: 'random_walk' gives {len(self.walk)} layers their own graph, encoder.layers is {layers}")
        if self.noise and self.low_rank:
            raise Refused("views: noise of layers is not defined where 'svd' gives their outputs; choose one of the two")
        return Flow(self.walk or (self.adjacency,) * layers, self.noise, self.low_rank, self.dropout)

    @staticmethod
    def from_pyg(data: Any, users: str = "user", items: str = "item") -> Graph:
        """The graph of the one edge type from ``users`` to ``items`` in a ``torch_geometric.data.HeteroData``.

        Edges that point back are ignored, as are repeated edges, weights and features.
        """
        shape, ends, others = _pyg.read(data, users, items)
        return Graph(shape, connect(shape, ends, others))

    def to_pyg(self) -> Any:
        """A ``torch_geometric.data.HeteroData`` of the same nodes and edges, in both directions, without features.

        Raises:
            Unavailable: PyTorch Geometric is not installed.
        """
        return _pyg.write(self.shape, *self.adjacency.ends())


class GraphFeed:
    """Batches of interactions, shuffled once an epoch, with negatives drawn many batches at a time.

    Args:
        interactions: what the graph is made of; a repeated pair is one edge.
        sampler: where negatives come from; None leaves ``Batch.negative`` empty.
        batch_size: interactions in a batch; the last of an epoch may be smaller.
        draw: by what an epoch goes, see ``structures/_epoch.py``. ``interactions``: each distinct one is asked for once.
            ``users``: each user asks as often as any other, for as many pairs in all.
        target: a type of event: only pairs with such an event are asked for (``prepare.behaviours = true``). None: all are.
        alone: the graph is of those pairs, too, and all other behaviour is unknown.
        recency: how much less an edge counts with age: ``(1 + age) ** -recency``, where age is how many the user has met
            since, by time and then by place in the log. 0: all count alike. Only where vectors are computed to recommend; in
            training, where each edge is asked for once, they always do.
    """

    reads_histories = False

    def __init__(
        self,
        shape: Shape,
        interactions: Interactions,
        sampler: NegativeSampler | None = None,
        batch_size: PositiveInt = 2048,
        draw: Draw = "interactions",
        *,
        target: str | None = None,
        alone: bool = False,
        recency: Recency = 0.0,
    ) -> None:
        if not len(interactions):
            raise Refused("a graph needs at least one interaction")
        if alone and target is None:
            raise Refused("source.alone: says that the target's graph is all there is; name one with source.target")
        self.shape = shape
        whole, asked = edges(interactions, recency, target, alone=alone)
        self._graph, self._aged = Graph(shape, whole.alike()), Graph(shape, whole, recency=recency)
        self._users, self._items = asked.ends()
        self._epoch = Epoch(self._users, draw)
        self._sampler = sampler
        self._size = batch_size
        self.steps = -(-self._users.numel() // batch_size)

    def training(self, rng: Generator) -> Iterator[Batch[Graph]]:
        """One epoch; drawn by interactions, each distinct one is the positive of exactly one query."""
        graph = replace(self._graph, epoch=object())
        for chunk in torch.split(self._epoch(rng), self._size * _BATCHES_DRAWN_AT_ONCE):
            users, items = self._users[chunk], self._items[chunk]
            negatives = self._draw(users, rng)
            for start in range(0, chunk.numel(), self._size):
                part = slice(start, start + self._size)
                yield self._batch(graph, users[part], items[part], next(negatives))

    def inference(self, users: Tensor) -> Iterator[tuple[Graph, Tensor]]:
        """The whole graph at once, its edges as old as they are."""
        yield self._aged, users

    def _draw(self, users: Tensor, rng: Generator) -> Iterator[Tensor | None]:
        """Negatives for one batch of ``users`` after another: slices of one draw, or a draw each where they are shared."""
        while self._sampler is None:
            yield None
        drawn = self._sampler(users, rng)
        while drawn.dim() == 1:
            yield drawn
            drawn = self._sampler(users, rng)
        yield from torch.split(drawn, self._size)

    def _batch(self, graph: Graph, users: Tensor, positives: Tensor, negatives: Tensor | None) -> Batch[Graph]:
        asking, items = distinct(users), distinct(positives, negatives)
        log_q = self._sampler.log_q(items.ids) if self._sampler else None
        return Batch(
            source=graph,
            users=asking.ids,
            items=items.ids,
            positives=items.positives,
            query=asking.positive,
            positive=items.positive,
            negative=items.negative,
            log_q=log_q,
        )


_BATCHES_DRAWN_AT_ONCE = 32  # spreads the cost of a draw; at 2048 queries and 128 negatives a draw is 64 MiB
