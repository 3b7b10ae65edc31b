"""EGCF: users have no vectors of their own, they are what their items make of them. Yi et al., 2024, doi:10.1145/3701230."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

import torch
from annotated_types import Ge
from pydantic import PositiveInt
from torch import Generator, Tensor, nn

from recsys_cl.core.values import Encoding, Shape
from recsys_cl.encoders._requests import only_edges
from recsys_cl.encoders._table import Layers, refuse_beyond_memory
from recsys_cl.ops.adjacency import Adjacency
from recsys_cl.ops.carry import carry
from recsys_cl.ops.ordering import placed, places
from recsys_cl.structures.graph import Graph


class EGCF(nn.Module):
    """Items' table rows pass between items and users, each time through tanh; the result is the sum of the layers.

    Args:
        dim: length of a vector.
        layers: how often, 1 or more.
        aggregate: ``parallel``: users are made of items once, then both sides change at the same time; ``alternate``: in each
            layer users are made of items, then items of these users.
    """

    def __init__(
        self,
        shape: Shape,
        rng: Generator,
        *,
        dim: PositiveInt = 64,
        layers: Annotated[Layers, Ge(1)] = 3,
        aggregate: Literal["parallel", "alternate"] = "parallel",
    ) -> None:
        super().__init__()
        refuse_beyond_memory(4 * layers, shape, dim)  # both sides of both products are kept for the way back
        self.dim = dim
        self.layers = layers
        self.aggregate = aggregate
        self.table = nn.Parameter(nn.init.xavier_uniform_(torch.empty(shape.items, dim), generator=rng))

    def forward(self, sources: Sequence[Graph], users: Tensor, items: Tensor | None = None) -> list[Encoding]:
        """One encoding a source; ``layers`` begins with the table, in which users are zero."""
        return [self._encoding(only_edges(source, "egcf"), users, items) for source in sources]

    def _encoding(self, adjacency: Adjacency, users: Tensor, items: Tensor | None) -> Encoding:
        first, ordering = adjacency.shape.users, adjacency.ordering
        items = torch.arange(adjacency.shape.items, device=users.device) if items is None else items
        users, items = places(users, ordering), places(items + first, ordering) - first
        found = [
            Encoding(side.index_select(0, users), other.index_select(0, items)) for side, other in self._propagated(adjacency)
        ]
        total = torch.stack([torch.cat((layer.users, layer.items)) for layer in found[1:]]).sum(0)
        return Encoding(total[: len(users)], total[len(users) :], layers=tuple(found))

    def _propagated(self, adjacency: Adjacency) -> list[tuple[Tensor, Tensor]]:
        """Users [U, D] and items [I, D] before and after each layer, by place."""
        by_user, by_item = adjacency.sides()
        items = placed(self.table, adjacency.ordering, adjacency.shape.users)
        states: list[tuple[Tensor, Tensor]] = [(self.table.new_zeros(len(by_user), self.dim), items)]
        users = carry(by_user, by_item, items).tanh()
        for layer in range(self.layers):
            if self.aggregate == "parallel":
                users, items = carry(by_user, by_item, items).tanh(), carry(by_item, by_user, users).tanh()
            else:
                users = users if layer == 0 else carry(by_user, by_item, items).tanh()
                items = carry(by_item, by_user, users).tanh()
            states.append((users, items))
        return states
