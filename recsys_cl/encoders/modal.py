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

from recsys_cl.core.errors import Refused
from recsys_cl.core.values import Encoding, Fold, ItemFeatures, Shape
from recsys_cl.encoders._content import Fuse, Fusion, Told, Towers, content_part, item_part
from recsys_cl.encoders._fold import along_edges
from recsys_cl.encoders._table import Init, Layers, nodes, refuse_beyond_memory, table
from recsys_cl.ops.layers import Request, layered
from recsys_cl.structures.modal import Modal

_Made = tuple[Tensor, list[Told], Tensor]  # the table of users and items, what each modality tells, and the content


class ModalLightGCN(nn.Module):
    """Towers, fusion, and LightGCN's layers over users' vectors and what items are made of.

    The parts of an encoding, for objectives that set them opposite each other, are ``id``, ``content``, and
    ``content/NAME`` for each modality: items before propagation, masked where there is nothing.

    Args:
        features: whose modalities the towers are made for.
        dim: length of a vector.
        layers: propagation layers, 0 or more.
        include_input: count the table itself among the layers averaged; without it an item that nobody met is 0.
        hidden: units of a tower's middle layer; 0: towers are affine.
        fusion: how modalities become content, see ``encoders/_content.py``.
        join: ``add`` content to an item's own vector; ``either``: its own where it counts with one, else content (CLCRec,
            Wei et al., 2021, arXiv:2107.05315).
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
        include_input: bool = True,
        hidden: Annotated[int, Field(ge=0)] = 0,
        fusion: Fusion = "sum",
        join: Literal["add", "either"] = "add",
        init: Init = "xavier",
    ) -> None:
        super().__init__()
        self.dim = dim
        if not layers and not include_input:
            raise Refused("encoder.layers: must be at least 1 where the table itself is left out (include_input = false)")
        refuse_beyond_memory(layers, shape, dim)
        self.shape, self.layers, self.join = shape, layers, join
        first = 0 if include_input else 1
        self.shares = tuple((layer >= first) / (layers + 1 - first) for layer in range(layers + 1))
        self.table = table(shape, dim, init, rng)
        self.towers = Towers(features, dim, rng, hidden)
        self.fuse = Fuse(fusion, dim, rng)

    def forward(self, sources: Sequence[Modal], users: Tensor, items: Tensor | None = None) -> list[Encoding]:
        """One encoding a source; those with the same content share its towers, and their propagation where graphs agree."""
        asked = Request(nodes(self.shape, users, items), self.shares)
        found: dict[int, Encoding] = {}
        for alike in _alike(sources):
            made = self._made(sources[alike[0]])
            results = layered(made[0], [sources[at].graph.flow(self.layers) for at in alike], asked)
            parts = self._parts(sources[alike[0]], made, items)
            found |= {at: _encoding(rows, users.numel(), parts) for at, rows in zip(alike, results, strict=True)}
        return [found[at] for at in range(len(sources))]

    def _made(self, source: Modal) -> _Made:
        told = self.towers(source.features)
        content = self.fuse(told)
        own, counts = self.table[self.shape.users :], source.own[:, None]
        rows = torch.where(counts, own, 0) + content if self.join == "add" else torch.where(counts, own, content.to(own.dtype))
        return torch.cat((self.table[: self.shape.users], rows)), told, content

    def _parts(self, source: Modal, made: _Made, items: Tensor | None) -> dict[str, Encoding]:
        _, told, content = made
        own = item_part(self.table[self.shape.users :], source.own, items)
        return {"id": own, "content": content_part(content, told, items)}

    def fold_in(self, source: Modal) -> Fold:
        """A new user gets what propagation along its edges would bring it, see ``encoders/_fold.py``."""
        everyone = torch.arange(self.shape.items, device=self.table.device)
        (encoding,) = self([source], everyone[:0], everyone)
        return along_edges(encoding, self.shares, source.graph.adjacency)


def _alike(sources: Sequence[Modal]) -> list[list[int]]:
    """Places of the sources that agree in what items are made of."""
    groups: dict[tuple[int, int], list[int]] = {}
    for at, source in enumerate(sources):
        groups.setdefault((id(source.features), id(source.own)), []).append(at)
    return list(groups.values())


def _encoding(result: Sequence[Tensor], users: int, parts: dict[str, Encoding]) -> Encoding:
    mean, *layers = (Encoding(rows[:users], rows[users:]) for rows in result)
    return Encoding(mean.users, mean.items, layers=tuple(layers), parts=parts)
