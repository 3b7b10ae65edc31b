"""Implicit ALS: a matrix factorised by turns, everything that was not met counting as a weak zero."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Generator, Tensor, nn

from recsys_cl.core.errors import Refused
from recsys_cl.core.values import Encoding, Interactions, Ragged
from recsys_cl.ops.ridge import ridge


class ImplicitALS(nn.Module):
    """Minimises ``sum over met of (w.h - 1)^2 + unobserved * sum over all of (w.h)^2 + l2 * sum of frequency^nu |w|^2, |h|^2``.

    Hu, Koren & Volinsky, 2008, ICDM; settings and the frequency ``met + unobserved * of all others`` of Rendle et al., 2022,
    RecSys, arXiv:2110.14037, whose iALS matches neural models. Users are solved first and, as the authors do before they test,
    last. Computed from the interactions at hand and saved nowhere. A sweep takes ``interactions * dim^2 + (users + items) *
    dim^3`` multiplications.

    Args:
        interactions: what is known.
        rng: draws the items' first vectors, normal with deviation ``spread / sqrt(dim)``.
        dim: length of the vectors; the paper's numbers grow up to 2048.
        unobserved: weight of what was not met (alpha 0).
        l2: weight of the ridge (lambda).
        nu: how much more those who met much are held back.
        sweeps: solutions of users and items by turns.
        spread: of the first vectors.
    """

    users: Tensor
    items: Tensor

    def __init__(
        self,
        interactions: Interactions,
        rng: Generator,
        dim: int = 64,
        unobserved: float = 0.1,
        l2: float = 0.003,
        nu: float = 1.0,
        sweeps: int = 16,
        spread: float = 0.1,
    ) -> None:
        super().__init__()
        _check(dim=dim, unobserved=unobserved, l2=l2, sweeps=sweeps, spread=spread)
        if not 0 <= nu < np.inf:
            raise Refused(f"nu: must be finite and at least 0, got {nu}")
        self.dim = dim
        shape, device = interactions.shape, interactions.users.device
        pairs = torch.unique(interactions.users * shape.items + interactions.items)
        who, what = pairs // max(shape.items, 1), pairs % max(shape.items, 1)
        by_user, by_item = Ragged.group(who, what, shape.users), Ragged.group(what, who, shape.items)
        weigh_users = l2 * (by_user.lengths + unobserved * shape.items) ** nu
        weigh_items = l2 * (by_item.lengths + unobserved * shape.users) ** nu
        items = (torch.randn(shape.items, dim, generator=rng) * (spread / dim**0.5)).to(device)
        for _ in range(sweeps):
            users = ridge(by_user, items, unobserved, weigh_users)
            items = ridge(by_item, users, unobserved, weigh_items)
        self.register_buffer("users", ridge(by_user, items, unobserved, weigh_users), persistent=False)
        self.register_buffer("items", items, persistent=False)

    def forward(self, sources: Sequence[object], users: Tensor, items: Tensor | None = None) -> list[Encoding]:
        """Whatever the sources, users [Q, D] and items [M, D]."""
        rows = self.items if items is None else self.items[items]
        return [Encoding(self.users[users], rows) for _ in sources]


def _check(**settings: float) -> None:
    for name, value in settings.items():
        if not 0 < value < np.inf:
            raise Refused(f"{name}: must be positive, got {value}")
