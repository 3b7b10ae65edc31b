"""Items recommend items: a user's score of an item is the sum of what the items of the user's history say for it."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from recsys_cl.core.errors import Refused
from recsys_cl.core.values import Encoding, Fold, Ragged, Shape
from recsys_cl.ops.ragged import owners, spans


def refuse_beyond(limit_mib: int, shape: Shape) -> None:
    """Refuse a catalogue whose item-to-item model would need vectors of more than ``limit_mib``.

    Raises:
        Refused: it would; the message names need and limit.
    """
    need = (shape.users + shape.items) * shape.items * 4 / 2**20
    if need > limit_mib:
        what = f"{shape.users:,} users and {shape.items:,} items, every vector as long as the catalogue"
        raise Refused(f"limit_mib: {what}, take {need:,.0f} MiB; the limit is {limit_mib:,} MiB")


class ItemToItem(nn.Module):
    """As vectors: a user is a row of ones at the items they are asked by, an item is what the catalogue says for it. Exact.

    Args:
        histories: of each user the items that speak for them, U rows: all they met, or only the last.
        weights: ``weights[j, i]`` is what ``i`` in the history says for ``j``, [I, I].
    """

    starts: Tensor
    met: Tensor
    weights: Tensor

    def __init__(self, histories: Ragged, weights: Tensor) -> None:
        super().__init__()
        device = histories.values.device
        self.register_buffer("starts", histories.offsets, persistent=False)
        self.register_buffer("met", histories.values, persistent=False)
        self.register_buffer("weights", weights.float().to(device), persistent=False)

    def forward(self, users: Tensor, items: Tensor | None = None) -> Encoding:
        """Users [Q, I] and items [M, I]."""
        begin = self.starts[users]
        lengths = self.starts[users + 1] - begin
        history = self.weights.new_zeros(len(users), self.weights.shape[1])
        history[owners(lengths), self.met[spans(begin, lengths)]] = 1
        return Encoding(history, self.weights if items is None else self.weights[items])

    def fold(self) -> Fold:
        """One row of ones is the sum of the unit vectors of what was met."""
        return Fold(torch.eye(len(self.weights), device=self.weights.device), exponent=0)
