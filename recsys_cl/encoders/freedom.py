"""FREEDOM: ids along the interactions, and once more among items of like content. Zhou and Shen, 2023, arXiv:2211.06924."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import torch
from pydantic import Field, PositiveInt
from torch import Generator, Tensor, nn

from recsys_cl.core.values import Encoding, Interactions, ItemFeatures, Shape
from recsys_cl.encoders._content import Towers, content_part, learned, total, where_present
from recsys_cl.encoders._table import Init, Layers, nodes, refuse_beyond_memory, shares, table
from recsys_cl.ops.adjacency import Rows
from recsys_cl.ops.carry import carry
from recsys_cl.ops.flow import Request
from recsys_cl.ops.item_graph import item_graph
from recsys_cl.ops.layers import layered
from recsys_cl.structures.modal import Modal


class Freedom(nn.Module):
    """An item is LightGCN's vector plus what ``item_layers`` of averaging over items of like content make of the ids.

    The graph of items is made from the features once and frozen; content moves vectors in no other way. An item that nobody
    met is the mean of the items most like it. Part ``content`` holds the modalities, projected, for ``each_modality``.

    Args:
        features: what likeness is measured by.
        interactions: what is trained on; who is met later still counts by content alone.
        dim: length of a vector.
        layers: of propagation along the interactions.
        item_layers: of averaging among items; with none the encoder is LightGCN beside its items' content, as in BM3.
        neighbours: of each item in each modality, itself not among them.
        init: how the table begins, see ``encoders/_table.py``.
    """

    learned: Tensor

    def __init__(
        self,
        shape: Shape,
        rng: Generator,
        features: ItemFeatures | None,
        interactions: Interactions | None = None,
        *,
        dim: PositiveInt = 64,
        layers: Layers = 2,
        item_layers: Annotated[int, Field(ge=0)] = 1,
        neighbours: PositiveInt = 10,
        init: Init = "xavier",
    ) -> None:
        super().__init__()
        refuse_beyond_memory(layers + item_layers, shape, dim)
        self.dim = dim
        self.shape, self.layers, self.item_layers = shape, layers, item_layers
        self.shares = shares(layers, include_input=True)
        self.table = table(shape, dim, init, rng)
        self.register_buffer("learned", learned(interactions, shape))
        self.towers = Towers(features, dim, rng)
        if features is not None:
            features.need_vectors("encoder: 'freedom'")
        if item_layers:
            graph = item_graph([modality for _, modality in features or ()], neighbours)  # the towers have refused None
            for name, rows in (("there", graph), ("back", graph.transposed(shape.items))):
                for field in ("starts", "columns", "weights"):
                    self.register_buffer(f"{name}_{field}", getattr(rows, field), persistent=False)

    def forward(self, sources: Sequence[Modal], users: Tensor, items: Tensor | None = None) -> list[Encoding]:
        """One encoding a source; ``layers`` holds the ids' rows, then those after each propagation along the interactions."""
        found = []
        for source in sources:
            people, own = torch.split(self.table, [self.shape.users, self.shape.items])
            own = where_present(own, source.own & self.learned)
            ids = torch.cat((people, own))
            request = Request(nodes(self.shape, users, items), self.shares)
            (rows,) = layered(ids, [source.graph.flow(self.layers)], request)
            mean, *layers = (Encoding(each[: len(users)], each[len(users) :]) for each in rows)
            vectors = mean.items
            if self.item_layers:
                alike = self._alike(own)
                vectors = vectors + (alike if items is None else alike.index_select(0, items))
            told = self.towers(source.features)
            content = content_part(total([each.states for each in told]), told, items)
            found.append(Encoding(mean.users, vectors, layers=tuple(layers), parts={"content": content}))
        return found

    def _alike(self, own: Tensor) -> Tensor:
        """Each item's neighbours' vectors, averaged so many times, [I, D]."""
        for _ in range(self.item_layers):
            own = carry(self._graph("there"), self._graph("back"), own)
        return own

    def _graph(self, way: str) -> Rows:
        return Rows(*(self.get_buffer(f"{way}_{field}") for field in ("starts", "columns", "weights")))
