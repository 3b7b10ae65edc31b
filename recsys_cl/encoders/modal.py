"""An item is its own vector and its content, and both are propagated: LightGCN over fused modalities.

LightGCN is He et al., 2020, arXiv:2002.02126; content beside a vector of one's own is VBPR's idea (He and McAuley, 2016,
arXiv:1510.01784), modalities in the graph are MMGCN's (Wei et al., 2019, doi:10.1145/3343031.3351034).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

import torch
from pydantic import Field, PositiveInt
from torch import Generator, Tensor, nn
from torch.nn.functional import pad

from recsys_cl.core.values import Encoding, Fold, Interactions, ItemFeatures, Shape
from recsys_cl.encoders._content import Fuse, Fusion, Told, Towers, content_part, item_part, learned, where_present
from recsys_cl.encoders._fold import along_edges
from recsys_cl.encoders._parts import Parts
from recsys_cl.encoders._table import Init, Layers, nodes, refuse_beyond_memory, shares, table
from recsys_cl.ops.flow import Request
from recsys_cl.ops.layers import layered
from recsys_cl.structures.modal import Modal

_Made = tuple[Tensor, list[Told], Tensor]  # the table of users and items, what each modality tells, and the content


class ModalLightGCN(nn.Module):
    """Towers, fusion, and LightGCN's layers over users' vectors and what items are made of.

    The parts of an encoding, for objectives that set them opposite each other, are ``id``, ``content``, and
    ``content/NAME`` for each modality: items before propagation, masked where there is nothing.

    Args:
        features: whose modalities the towers are made for.
        interactions: what is trained on; who is met later still counts by content alone.
        dim: length of a vector.
        layers: propagation layers, 0 or more.
        include_input: count the table itself among the layers averaged; without it an item that nobody met is 0.
        hidden: units of a tower's middle layer; 0: towers are affine.
        fusion: how modalities become content, see ``encoders/_content.py``.
        join: ``add`` content to an item's own vector; ``either``: its own where it counts with one, else content (CLCRec,
            Wei et al., 2021, arXiv:2107.05315).
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
        include_input: bool = True,
        hidden: Annotated[int, Field(ge=0)] = 0,
        fusion: Fusion = "sum",
        join: Literal["add", "either"] = "add",
        init: Init = "xavier",
    ) -> None:
        super().__init__()
        self.dim = dim
        self.shares = shares(layers, include_input=include_input)
        refuse_beyond_memory(layers, shape, dim)
        self.shape, self.layers, self.join = shape, layers, join
        self.table = table(shape, dim, init, rng)
        self.register_buffer("learned", learned(interactions, shape))
        self.towers = Towers(features, dim, rng, hidden)
        self.fuse = Fuse(fusion, dim, rng)

    def forward(self, sources: Sequence[Modal], users: Tensor, items: Tensor | None = None) -> list[Encoding]:
        """One encoding a source; those with the same content share its towers, and their propagation where graphs agree."""
        if not self.layers and items is not None and not any(source.graph.dropout for source in sources):
            return [self._at(source, users, items) for source in sources]
        asked = Request(nodes(self.shape, users, items), self.shares)
        found: dict[int, Encoding] = {}
        for alike in _alike(sources):
            made = self._made(sources[alike[0]])
            results = layered(made[0], [sources[at].graph.flow(self.layers) for at in alike], asked)
            parts = self._parts(sources[alike[0]], made, items)
            found |= {at: _encoding(rows, users.numel(), parts) for at, rows in zip(alike, results, strict=True)}
        return [found[at] for at in range(len(sources))]

    def _at(self, source: Modal, users: Tensor, items: Tensor) -> Encoding:
        """Without layers nobody depends on anybody: what is not asked for need not be read."""
        told = self.towers(source.features.take(items))
        content, counts = self.fuse(told), (source.own & self.learned)[items]
        own = self.table.index_select(0, items + self.shape.users)
        mean = Encoding(self.table.index_select(0, users), self._joined(own, counts, content))
        parts = {"id": item_part(own, counts, None), "content": content_part(content, told, None)}
        return Encoding(mean.users, mean.items, layers=(mean,), parts=parts)

    def _made(self, source: Modal) -> _Made:
        told = self.towers(source.features)
        content = self.fuse(told)
        counts = source.own & self.learned
        if self.join == "add" and bool(counts.all()):  # as below, and the table's gradient is passed on without a copy
            return self.table + pad(content, (0, 0, self.shape.users, 0)), told, content
        users, own = torch.split(self.table, [self.shape.users, self.shape.items])
        return torch.cat((users, self._joined(own, counts, content))), told, content

    def _joined(self, own: Tensor, counts: Tensor, content: Tensor) -> Tensor:
        """What items are made of [M, D], given their own vectors, whether these count [M], and their content."""
        if self.join == "add":
            return where_present(own, counts) + content
        return torch.where(counts[:, None], own, content.to(own.dtype))

    def _parts(self, source: Modal, made: _Made, items: Tensor | None) -> Parts:
        _, told, content = made
        own, counts = self.table[self.shape.users :], source.own & self.learned
        return Parts({"id": lambda: item_part(own, counts, items), "content": lambda: content_part(content, told, items)})

    def by_content(self, features: ItemFeatures) -> Tensor:
        """Items [N, D] that stand in no graph: their content, as much as the table counts."""
        content: Tensor = self.fuse(self.towers(features))
        return content * self.shares[0]

    def fold_in(self, source: Modal) -> Fold:
        """A new user gets what propagation along its edges would bring it, see ``encoders/_fold.py``."""
        everyone = torch.arange(self.shape.items, device=self.table.device)
        (encoding,) = self([source], everyone[:0], everyone)
        return along_edges(encoding, self.shares, source.graph)


def _alike(sources: Sequence[Modal]) -> list[list[int]]:
    """Places of the sources that agree in what items are made of."""
    groups: dict[tuple[int, int], list[int]] = {}
    for at, source in enumerate(sources):
        groups.setdefault((id(source.features), id(source.own)), []).append(at)
    return list(groups.values())


def _encoding(result: Sequence[Tensor], users: int, parts: Parts) -> Encoding:
    mean, *layers = (Encoding(rows[:users], rows[users:]) for rows in result)
    return Encoding(mean.users, mean.items, layers=tuple(layers), parts=parts)
