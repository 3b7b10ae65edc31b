"""Chance: vectors that know nothing, which is what any recommender must beat."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from pydantic import PositiveInt
from torch import Generator, Tensor, nn

from recsys_cl.core.values import Encoding, Shape


class Random(nn.Module):
    """Normal vectors of users and items that the pipeline's seed decides; nothing is learned and nothing saved.

    An item's chance to stand among the first k of C candidates is k / C, whoever asks.

    Args:
        dim: length of a vector; lists of users are the less alike the longer.
    """

    users: Tensor
    items: Tensor

    def __init__(self, shape: Shape, rng: Generator, dim: PositiveInt = 64) -> None:
        super().__init__()
        self.dim = dim
        for name, count in (("users", shape.users), ("items", shape.items)):
            rows = torch.nn.functional.normalize(torch.randn(count, dim, generator=rng), dim=-1)
            self.register_buffer(name, rows, persistent=False)

    def forward(self, sources: Sequence[object], users: Tensor, items: Tensor | None = None) -> list[Encoding]:
        """Whatever the sources, users [Q, D] and items [M, D]."""
        return [Encoding(self.users[users], self.items if items is None else self.items[items]) for _ in sources]
