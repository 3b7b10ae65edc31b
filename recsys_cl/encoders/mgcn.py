"""MGCN: content cleaned by behaviour, spread among like items, fused as behaviour prefers. Yu et al., arXiv:2308.03588."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from pydantic import PositiveInt
from torch import Generator, Tensor, nn

from recsys_cl.core.values import Encoding, Interactions, ItemFeatures, Shape
from recsys_cl.encoders._content import Towers, learned, where_present
from recsys_cl.encoders._table import Init, Layers, nodes, refuse_beyond_memory, shares, table
from recsys_cl.ops.adjacency import Rows
from recsys_cl.ops.carry import carry
from recsys_cl.ops.flow import Request
from recsys_cl.ops.fresh import linear, normal
from recsys_cl.ops.item_graph import item_graph
from recsys_cl.ops.layers import layered
from recsys_cl.structures.modal import Modal


class MGCN(nn.Module):
    """Behaviour (LightGCN over ids) plus content, whose modalities each pass three gates.

    Purified (equation 3): an item's own vector times a gate that its modality opens. Spread (5, 6): over the items most like it
    in that modality, then to users by one layer of the graph. Fused (9 to 12): what modalities share by attention, what is
    peculiar to each by a gate that behaviour opens. Parts ``behaviour`` and ``content`` are what is contrasted (13).

    Args:
        features: by modality; each makes a frozen graph of items.
        interactions: what is trained on; who is met later still counts by content alone.
        dim: length of a vector.
        layers: of propagation of ids.
        neighbours: of each item in each modality.
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
        neighbours: PositiveInt = 10,
        init: Init = "xavier",
    ) -> None:
        super().__init__()
        refuse_beyond_memory(layers + 2, shape, dim)
        self.dim, self.shape, self.layers = dim, shape, layers
        self.shares = shares(layers, include_input=True)
        self.table = table(shape, dim, init, rng)
        self.register_buffer("learned", learned(interactions, shape))
        self.towers = Towers(features, dim, rng, dim)
        if features is not None:
            features.need_vectors("encoder: 'mgcn'")
        self.query = nn.Sequential(linear(dim, dim, rng), nn.Tanh())
        self.common = normal(dim, spread=dim**-0.5, rng=rng)
        self.prefer = nn.ModuleList(linear(dim, dim, rng) for _ in self.towers.names)
        for at, (_, modality) in enumerate(features or ()):  # the towers have refused None
            rows = item_graph([modality], neighbours)
            for way, matrix in (("there", rows), ("back", rows.transposed(shape.items))):
                for field in ("starts", "columns", "weights"):
                    self.register_buffer(f"{way}_{at}_{field}", getattr(matrix, field), persistent=False)

    def forward(self, sources: Sequence[Modal], users: Tensor, items: Tensor | None = None) -> list[Encoding]:
        """One encoding a source; ``layers`` holds the ids' rows, then those after each propagation."""
        return [self._encoding(source, nodes(self.shape, users, items), len(users)) for source in sources]

    def _encoding(self, source: Modal, rows: Tensor, users: int) -> Encoding:
        people, own = torch.split(self.table, [self.shape.users, self.shape.items])
        own = where_present(own, source.own & self.learned)
        ids = torch.cat((people, own))
        ((mean, *kept),) = layered(ids, [source.graph.flow(self.layers)], Request(rows, self.shares))
        content = self._fused(self._modalities(source, own, rows), mean)
        behaviour, told, both = (Encoding(each[:users], each[users:]) for each in (mean, content, mean + content))
        layers = tuple(Encoding(each[:users], each[users:]) for each in kept)
        return Encoding(both.users, both.items, layers=layers, parts={"behaviour": behaviour, "content": told})

    def _modalities(self, source: Modal, own: Tensor, rows: Tensor) -> list[Tensor]:
        """Each modality of the nodes asked for, [R, D]: items as spread among like ones, users as the graph brings them."""
        found = []
        for at, told in enumerate(self.towers(source.features)):
            purified = where_present(own * told.states.sigmoid(), told.present)
            alike = carry(self._graph("there", at), self._graph("back", at), purified)
            whole = torch.cat((alike.new_zeros(self.shape.users, self.dim), alike))
            ((brought, _, _),) = layered(whole, [source.graph.flow(1)], Request(rows, (0.0, 1.0)))
            is_user = (rows < self.shape.users)[:, None]
            found.append(torch.where(is_user, brought, whole.index_select(0, rows)))
        return found

    def _fused(self, modalities: Sequence[Tensor], behaviour: Tensor) -> Tensor:
        states = torch.stack(list(modalities))
        told = (states.detach() != 0).any(-1)  # nothing came of a modality that neither a row nor those like it have
        weights = (self.query(states) @ self.common).masked_fill(~told, -1e30).softmax(0)[..., None]
        shared: Tensor = (weights * states).sum(0)
        gates = torch.stack([gate(behaviour).sigmoid() for gate in self.prefer]) * told[..., None]
        return shared + (gates * (states - shared)).sum(0) / told.sum(0).clamp_min(1)[:, None]

    def _graph(self, way: str, at: int) -> Rows:
        return Rows(*(self.get_buffer(f"{way}_{at}_{field}") for field in ("starts", "columns", "weights")))
