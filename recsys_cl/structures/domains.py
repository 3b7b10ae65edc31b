"""The cross-domain family: a graph for each domain, all side by side in one, and the feed that draws from each alike."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Annotated

import torch
from pydantic import Field, PositiveInt
from torch import Generator, Tensor

from recsys_cl.core.errors import Refused
from recsys_cl.core.protocols import DrawsWithin, NegativeSampler
from recsys_cl.core.values import Batch, Interactions, ItemFeatures, Shape
from recsys_cl.ops.adjacency import connect
from recsys_cl.ops.ordering import local
from recsys_cl.ops.rows import distinct
from recsys_cl.structures._numbers import item_numbers, user_numbers
from recsys_cl.structures.graph import Graph


@dataclass(frozen=True, slots=True, eq=False)
class Domains:
    """Somebody who met items of two domains is two nodes of ``graph``, and so is an item of two; no edge joins two domains."""

    shape: Shape
    graph: Graph  # of P users, each once for every domain that knows them, and of S items
    users: Tensor  # [D, U] the number of each user among the P; -1 where the domain knows nobody by that name
    items: Tensor  # [D, I] the number of each item among the S; -1 where it is not of the domain
    seen: Tensor  # [D, U] bool: the domain knows the user by interactions there
    only: int | None = None  # look at this domain alone; None: at all of them
    apart: bool = (
        False  # give users once a domain, row d x Q + q, and items in their only domain: for batches, which rank nothing
    )


class DomainFeed:
    """Batches with as many distinct interactions of every domain; an epoch ends when the largest has been through once.

    Which domains an item belongs to is one of its features; an interaction with an item of several counts in each.

    Args:
        features: of the items; ``by`` is a matrix with a column a domain (`prepare.features`: ``use = "domain"``).
        sampler: where negatives come from, always of the positive's own domain; None leaves ``Batch.negative`` empty.
        batch_size: interactions in a batch, of all domains together.
        by: the name of the feature.
        overlap: how many users, or items, there must be that two domains share.
    """

    reads_histories = False

    def __init__(
        self,
        shape: Shape,
        interactions: Interactions,
        features: ItemFeatures | None = None,
        sampler: NegativeSampler | None = None,
        batch_size: PositiveInt = 2048,
        by: str = "domain",
        overlap: Annotated[int, Field(ge=0)] = 1,
    ) -> None:
        numbers = item_numbers(features, by)
        self.shape, self._sampler = shape, sampler
        self._source = _side_by_side(shape, interactions, numbers)
        _refuse(self._source, by, overlap)
        users, items = self._source.graph.adjacency.ends()
        domain, user = (side[users] for side in (self._source.users >= 0).nonzero(as_tuple=True))
        self._users, self._items = user, (numbers >= 0).nonzero()[:, 1][items]
        self._edges = [(domain == number).nonzero().flatten() for number in range(len(numbers))]
        self._apart = int((numbers >= 0).sum(0).max()) == 1
        self._size = max(batch_size // len(numbers), 1)
        self._longest = max(len(edges) for edges in self._edges)
        self._within = _of_each_domain(sampler, numbers) if sampler else []
        self.steps = -(-self._longest // self._size)

    def training(self, rng: Generator) -> Iterator[Batch[Domains]]:
        """One epoch; a domain that is through begins anew, in another order."""
        source = replace(self._source, graph=replace(self._source.graph, epoch=object()), apart=self._apart)
        orders = [self._order(edges, rng) for edges in self._edges]
        many = self._size * _BATCHES_DRAWN_AT_ONCE
        for begin in range(0, self._longest, many):
            chunks = [order[begin : begin + many] for order in orders]
            negatives = [within(self._users[edges], rng) for within, edges in zip(self._within, chunks, strict=False)]
            for start in range(0, len(chunks[0]), self._size):
                part = slice(start, start + self._size)
                drawn = torch.cat([each[part] for each in negatives]) if negatives else None
                yield self._batch(source, torch.cat([chunk[part] for chunk in chunks]), drawn)

    def inference(self, users: Tensor) -> Iterator[tuple[Domains, Tensor]]:
        """All domains at once."""
        yield self._source, users

    def _order(self, edges: Tensor, rng: Generator) -> Tensor:
        """As many of ``edges`` as the largest domain has, each as often as any other but for the last round."""
        rounds = -(-self._longest // len(edges))
        drawn = [torch.randperm(len(edges), generator=rng, device=rng.device) for _ in range(rounds)]
        return edges[torch.cat(drawn)[: self._longest].to(edges.device)]

    def _batch(self, source: Domains, edges: Tensor, negatives: Tensor | None) -> Batch[Domains]:
        asking, items = distinct(self._users[edges]), distinct(self._items[edges], negatives)
        domain = torch.arange(len(self._edges), device=edges.device).repeat_interleave(len(edges) // len(self._edges))
        first = domain * len(asking.ids) if self._apart else 0
        return Batch(
            source=source,
            users=asking.ids,
            items=items.ids,
            positives=items.positives,
            query=first + asking.positive,
            positive=items.positive,
            negative=items.negative,
        )


def _side_by_side(shape: Shape, met: Interactions, numbers: Tensor) -> Domains:
    people, inside = user_numbers(met, numbers), numbers[:, met.items]  # [D, U], [D, N]
    domain, row = (inside >= 0).nonzero(as_tuple=True)
    users, items = people[domain, met.users[row]], inside[domain, row]
    nodes = Shape(int((people >= 0).sum()), int((numbers >= 0).sum()))
    graph = Graph(nodes, connect(nodes, users, items, ordering=local(nodes, users, items)))
    return Domains(shape, graph, people, numbers, people >= 0)


def _of_each_domain(sampler: NegativeSampler, numbers: Tensor) -> list[NegativeSampler]:
    """Samplers of the domains' own items; ``numbers`` are those of the items in each."""
    if not isinstance(sampler, DrawsWithin):
        raise Refused("sampler: here negatives are of their positive's own domain, and this sampler draws from no part alone")
    if sampler.shared:
        raise Refused("sampler.shared: here negatives are drawn for each query, from its positive's own domain")
    return [sampler.within(row >= 0) for row in numbers]


def _refuse(made: Domains, by: str, overlap: int) -> None:
    for number, seen in enumerate(made.seen):
        if not seen.any():
            raise Refused(f"source.by: nobody met an item of domain {number} of '{by}'; every domain needs interactions")
    users, items = (int((rows.sum(0) > 1).sum()) for rows in (made.seen, made.items >= 0))
    if max(users, items) < overlap:
        raise Refused(
            f"source.overlap: {users} users and {items} items are shared by two domains of '{by}', {overlap} of either "
            "are needed to carry anything over; 'target-only' needs none"
        )


_BATCHES_DRAWN_AT_ONCE = 32  # spreads the cost of a draw, as in the graph family
