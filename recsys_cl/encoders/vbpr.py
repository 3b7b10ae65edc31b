"""VBPR: a user's taste in items and a taste in how they look. He and McAuley, 2016, arXiv:1510.01784."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from pydantic import PositiveInt
from torch import Generator, Tensor, nn

from recsys_cl.core.values import Encoding, Interactions, ItemFeatures, Shape
from recsys_cl.encoders._content import Towers, learned
from recsys_cl.encoders._table import Init, table
from recsys_cl.structures.modal import Modal


class VBPR(nn.Module):
    """``gamma_u . gamma_i + theta_u . (E f_i) + beta_i + beta' . f_i`` (equation 4) as one dot product.

    The terms that are the same for every item change no ranking and are left out. Several modalities are one vector with the
    missing ones zero; the constant of each affine map stands for having it. An item that nobody met has no gamma and beta.

    Args:
        interactions: what is trained on; who is met later still counts by content alone.
        dim: length of gamma and, again, of theta.
        init: how gamma and theta begin, see ``encoders/_table.py``.
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
        init: Init = "xavier",
    ) -> None:
        super().__init__()
        self.dim = 2 * dim + 1
        self.shape = shape
        self.table = table(shape, dim, init, rng)
        self.register_buffer("learned", learned(interactions, shape))
        self.tastes = table(Shape(shape.users, 0), dim, init, rng)
        self.bias = nn.Parameter(torch.zeros(shape.items, 1))
        self.looks = Towers(features, dim, rng)
        self.appeal = Towers(features, 1, rng)

    def forward(self, sources: Sequence[Modal], users: Tensor, items: Tensor | None = None) -> list[Encoding]:
        """Vectors (gamma, theta, 1) and (gamma, E f, beta + beta' . f); the graph of a source is not read."""
        asks = self.table.index_select(0, users), self.tastes.index_select(0, users)
        rows = torch.cat((*asks, torch.ones_like(asks[0][:, :1])), -1)
        found = [self._items(source) for source in sources]
        return [Encoding(rows, whole if items is None else whole.index_select(0, items)) for whole in found]

    def by_content(self, features: ItemFeatures) -> Tensor:
        """Items [N, 2D + 1] without gamma and beta."""
        looks, appeal = self._told(features)
        return torch.cat((torch.zeros_like(looks), looks, appeal), -1)

    def _told(self, features: ItemFeatures) -> tuple[Tensor, Tensor]:
        """``E f`` [N, D] and ``beta' . f`` [N, 1]."""
        looks, appeal = (torch.stack([told.states for told in towers(features)]).sum(0) for towers in (self.looks, self.appeal))
        return looks, appeal

    def _items(self, source: Modal) -> Tensor:
        looks, appeal = self._told(source.features)
        own = torch.cat((self.table[self.shape.users :], self.bias), -1)
        own = torch.where((source.own & self.learned)[:, None], own, 0)
        return torch.cat((own[:, :-1], looks, own[:, -1:] + appeal), -1)
