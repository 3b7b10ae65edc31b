"""SimpleX: a user is a vector of one's own mixed with the mean of the items met. Mao et al., 2021, arXiv:2109.12613."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import torch.nn.functional as F
from annotated_types import Gt, Le
from pydantic import Field, PositiveInt
from torch import Generator, Tensor, nn

from recsys_cl.core.errors import Refused
from recsys_cl.core.values import Encoding, Shape
from recsys_cl.encoders._requests import only_edges
from recsys_cl.encoders._table import Init, table
from recsys_cl.ops.dropout import dropout
from recsys_cl.ops.fresh import linear
from recsys_cl.structures.graph import Graph


class SimpleX(nn.Module):
    """``share * e_u + (1 - share) * W mean(e_i of the items u met)``: behaviour aggregation by average; items are looked up.

    Args:
        dim: length of a vector.
        share: how much of a user is one's own; 1, as published for Yelp2018, is matrix factorisation.
        dropout: rate on the users' vectors while training.
        init: how the table begins, see ``encoders/_table.py``.
    """

    def __init__(
        self,
        shape: Shape,
        rng: Generator,
        *,
        dim: PositiveInt = 64,
        share: Annotated[float, Gt(0), Le(1)] = 0.5,
        dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0,
        init: Init = "small",
    ) -> None:
        super().__init__()
        self.dim = dim
        self.shape = shape
        self.share = share
        self.dropout = dropout
        self.table = table(shape, dim, init, rng)
        self.mixed = linear(dim, dim, rng) if share < 1 else None

    def forward(self, sources: Sequence[Graph], users: Tensor, items: Tensor | None = None) -> list[Encoding]:
        """One encoding a source, which differ where a view has dropped edges; the one layer is the table's rows."""
        catalogue = self.table[self.shape.users :]
        rows = Encoding(self.table.index_select(0, users), catalogue if items is None else catalogue.index_select(0, items))
        return [Encoding(self._users(source, users, rows.users), rows.items, layers=(rows,)) for source in sources]

    def _users(self, source: Graph, users: Tensor, own: Tensor) -> Tensor:
        adjacency = only_edges(source, "simplex")
        if self.mixed is not None and source.recency:
            raise Refused("source.recency: 'simplex' takes the plain mean of what was met; set it to 0")
        if self.mixed is not None:
            history = adjacency.met(users)
            met = F.embedding_bag(
                history.columns, self.table[self.shape.users :], history.starts, mode="mean", include_last_offset=True
            )
            own = self.share * own + (1 - self.share) * self.mixed(met)
        return dropout(own, self.dropout) if self.training else own
