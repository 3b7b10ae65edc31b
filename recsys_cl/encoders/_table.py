"""The embedding table of users and items in one parameter: row u is user u, row U + i is item i."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Generator, Tensor, nn

from recsys_cl.core.values import Shape

Init = Literal["xavier", "normal", "small"]
"""``xavier``: uniform, each table's bound from its own size (SELFRec); ``normal``: deviation 0.1 (LightGCN-PyTorch);
``small``: deviation 1e-4 (UltraGCN, SimpleX)."""


def table(shape: Shape, dim: int, init: Init, rng: Generator) -> nn.Parameter:
    """A fresh table [U + I, dim]."""
    values = torch.empty(shape.users + shape.items, dim)
    for part in (values[: shape.users], values[shape.users :]):
        if init == "xavier":
            nn.init.xavier_uniform_(part, generator=rng)
        else:
            nn.init.normal_(part, std=0.1 if init == "normal" else 1e-4, generator=rng)
    return nn.Parameter(values)


def nodes(shape: Shape, users: Tensor, items: Tensor | None) -> Tensor:
    """The table's rows for ``users`` [U] followed by ``items`` [M], or by the whole catalogue."""
    catalogue = torch.arange(shape.items, device=users.device) if items is None else items
    return torch.cat((users, catalogue + shape.users))
