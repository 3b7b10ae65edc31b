"""Items recommend items: a user's score of an item is the sum of what the items of the user's history say for it."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from recsys_cl.core.errors import Refused
from recsys_cl.core.values import Encoding, Fold, Ragged, Shape
from recsys_cl.ops.csr import csr, is_sparse, take
from recsys_cl.ops.ragged import offsets_of, owners

DENSE_MIB = 2048
"""Where the vectors of users and items, each as long as the catalogue, take more than this, users are sparse."""


def is_wide(shape: Shape) -> bool:
    """Whether vectors as long as the catalogue are too many to be dense."""
    return _mib((shape.users + shape.items) * shape.items * 4) > DENSE_MIB


def refuse_beyond(limit_mib: int, shape: Shape, weights: float) -> None:
    """Refuse a catalogue whose item-to-item model would take more than ``limit_mib``.

    Args:
        limit_mib: what it may take.
        shape: users and items.
        weights: bytes, at the most, of what items say for each other while it is made.

    Raises:
        Refused: it would; the message names need and limit.
    """
    vectors = (shape.users + shape.items) * shape.items * 4  # where they are dense
    need = _mib(weights if is_wide(shape) else max(vectors, weights))
    if need > limit_mib:
        what = f"{shape.users:,} users and {shape.items:,} items"
        raise Refused(
            f"limit_mib: what items say for each other, of {what}, takes {need:,.0f} MiB; the limit is {limit_mib:,} MiB"
        )


class ItemToItem(nn.Module):
    """As vectors: a user is a row of ones at the items they are asked by, an item is what the catalogue says for it. Exact.

    Args:
        histories: of each user the items that speak for them, U rows: all they met, or only the last.
        says: ``says[i, j]`` is what ``i`` in the history says for ``j``, [I, I] in fp32, dense or CSR. Not copied where wide.
        wide: whether users are sparse.
    """

    starts: Tensor
    met: Tensor
    weights: Tensor

    def __init__(self, histories: Ragged, says: Tensor, *, wide: bool) -> None:
        super().__init__()
        items, device = len(says), histories.values.device
        pairs = torch.unique(owners(histories.lengths) * items + histories.values)
        weights = says.to(device).transpose(0, 1)
        if not wide:
            weights = (weights.to_dense() if is_sparse(weights) else weights).contiguous()
        self.register_buffer("starts", offsets_of(torch.bincount(pairs // items, minlength=len(histories))), persistent=False)
        self.register_buffer("met", pairs % items, persistent=False)
        self.register_buffer("weights", weights, persistent=False)
        self.wide = wide

    def forward(self, users: Tensor, items: Tensor | None = None) -> Encoding:
        """Users [Q, I] and items [M, I]; of a wide model always the whole catalogue.

        Raises:
            ValueError: some items of a wide model are asked for.
        """
        known = csr(self.starts, self.met, torch.ones(len(self.met), device=self.met.device), self.weights.shape[1])
        history = take(known, users)
        if not self.wide:
            return Encoding(history.to_dense(), self.weights if items is None else self.weights[items])
        if items is not None:
            raise ValueError("a wide model answers with the whole catalogue")
        return Encoding(history, self.weights)

    def fold(self) -> Fold | None:
        """One row of ones is the sum of the unit vectors of what was met; None where these are too many to be kept."""
        return None if self.wide else Fold(torch.eye(len(self.weights), device=self.weights.device), exponent=0)


def _mib(count: float) -> float:
    return count / 2**20
