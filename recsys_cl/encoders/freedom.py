"""FREEDOM: ids along the interactions, and once more among items of like content. Zhou and Shen, 2023, arXiv:2211.06924."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from pydantic import PositiveInt
from torch import Generator, Tensor, nn

from recsys_cl.core.values import Encoding, ItemFeatures, Shape
from recsys_cl.encoders._content import Towers, content_part
from recsys_cl.encoders._table import Init, Layers, nodes, refuse_beyond_memory, table
from recsys_cl.ops.adjacency import Rows
from recsys_cl.ops.item_graph import item_graph, spread
from recsys_cl.ops.layers import Request, layered
from recsys_cl.structures.modal import Modal


class Freedom(nn.Module):
    """An item is LightGCN's vector plus what ``item_layers`` of averaging over items of like content make of the ids.

    The graph of items is made from the features once and frozen; content moves vectors in no other way. An item that nobody
    met is the mean of the items most like it. Part ``content`` holds the modalities, projected, for ``each_modality``.

    Args:
        features: what likeness is measured by.
        dim: length of a vector.
        layers: of propagation along the interactions.
        item_layers: of averaging among items.
        neighbours: of each item in each modality, itself not among them.
        init: how the table begins, see ``encoders/_table.py``.
    """

    def __init__(
        self,
        shape: Shape,
        rng: Generator,
        features: ItemFeatures | None,
        *,
        dim: PositiveInt = 64,
        layers: Layers = 2,
        item_layers: PositiveInt = 1,
        neighbours: PositiveInt = 10,
        init: Init = "xavier",
    ) -> None:
        super().__init__()
        refuse_beyond_memory(layers + item_layers, shape, dim)
        self.dim = dim
        self.shape, self.layers, self.item_layers = shape, layers, item_layers
        self.shares = (1 / (layers + 1),) * (layers + 1)
        self.table = table(shape, dim, init, rng)
        self.towers = Towers(features, dim, rng)
        graph = item_graph([modality for _, modality in features or ()], neighbours)  # the towers have refused None
        for name, rows in (("there", graph), ("back", graph.transposed(shape.items))):
            for field in ("starts", "columns", "weights"):
                self.register_buffer(f"{name}_{field}", getattr(rows, field), persistent=False)

    def forward(self, sources: Sequence[Modal], users: Tensor, items: Tensor | None = None) -> list[Encoding]:
        """One encoding a source; ``layers`` holds the ids' rows, then those after each propagation along the interactions."""
        found = []
        for source in sources:
            own = torch.where(source.own[:, None], self.table[self.shape.users :], 0)
            ids = torch.cat((self.table[: self.shape.users], own))
            request = Request(nodes(self.shape, users, items), self.shares)
            (rows,) = layered(ids, [source.graph.flow(self.layers)], request)
            alike = self._alike(own)
            mean, *layers = (Encoding(each[: len(users)], each[len(users) :]) for each in rows)
            vectors = mean.items + (alike if items is None else alike.index_select(0, items))
            told = self.towers(source.features)
            content = content_part(torch.stack([each.states for each in told]).sum(0), told, items)
            found.append(Encoding(mean.users, vectors, layers=tuple(layers), parts={"content": content}))
        return found

    def _alike(self, own: Tensor) -> Tensor:
        """Each item's neighbours' vectors, averaged so many times, [I, D]."""
        for _ in range(self.item_layers):
            own = spread(self._graph("there"), self._graph("back"), own)
        return own

    def _graph(self, way: str) -> Rows:
        return Rows(*(self.get_buffer(f"{way}_{field}") for field in ("starts", "columns", "weights")))
