"""ItemKNN: items are alike if the same users met them; each listens to its most alike."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from recsys_cl.core.errors import Refused
from recsys_cl.core.values import Encoding, Fold, Interactions
from recsys_cl.encoders._history import met
from recsys_cl.encoders._item_to_item import ItemToItem, is_wide, refuse_beyond
from recsys_cl.ops.csr import csr

_BLOCK = 512
"""Items whose likes are looked for at once."""
_BYTES = 80
"""Of one neighbour while the model is made: two ids and a cosine, their order, and the sorted copies."""


class ItemKNN(nn.Module):
    """Score of ``j`` = sum over the met items among the ``neighbours`` most alike to ``j`` of their cosine to it.

    Deshpande & Karypis, 2004, ACM TOIS 22(1). The cosine of two items is ``users who met both / (sqrt(users of one * users of
    the other) + shrink)``; ``shrink`` keeps likeness that rests on few users small. Ties go to the smaller id.

    Args:
        interactions: what is known.
        neighbours: how many items each listens to.
        shrink: 0 for the plain cosine.
        limit_mib: neighbours that take more are refused.
    """

    def __init__(self, interactions: Interactions, neighbours: int = 100, shrink: float = 10.0, limit_mib: int = 8192) -> None:
        super().__init__()
        if neighbours < 1:
            raise Refused(f"neighbours: must be at least 1, got {neighbours}")
        if not 0 <= shrink < np.inf:
            raise Refused(f"shrink: must not be negative, got {shrink}")
        shape = interactions.shape
        refuse_beyond(limit_mib, shape, _BYTES * shape.items * min(neighbours, shape.items))
        self.dim = shape.items
        says = listeners(met(interactions), neighbours, shrink)
        self.model = ItemToItem(interactions.by_user(), says, wide=is_wide(shape))

    def forward(self, sources: Sequence[object], users: Tensor, items: Tensor | None = None) -> list[Encoding]:
        """Whatever the sources, users [Q, I] and items [M, I]."""
        encoding: Encoding = self.model(users, items)
        return [encoding for _ in sources]

    def fold_in(self, source: object) -> Fold | None:  # noqa: ARG002 - the protocol passes it
        """A new user is a row of ones like any other; None where vectors are too long to be kept."""
        return self.model.fold()


def listeners(matrix: Any, neighbours: int, shrink: float) -> Tensor:
    """``[i, j]``: the shrunk cosine of ``i`` to ``j`` if it is among the ``neighbours`` most alike to ``j``; CSR [I, I], fp32.

    Args:
        matrix: who met what, ``csr_array`` [U, I] of ones.
        neighbours: how many items each listens to; of equally alike ones the smaller ids.
        shrink: see `ItemKNN`.
    """
    items, columns = matrix.shape[1], matrix.tocsc()
    length = np.sqrt(columns.sum(0))
    blocks = [(start, min(start + _BLOCK, items)) for start in range(0, items, _BLOCK)]
    found = [_nearest(columns, range(*block), length, neighbours, shrink) for block in blocks]
    item, like, cosine = (np.concatenate([part[column] for part in found] or [np.zeros(0)]) for column in range(3))
    order = np.lexsort((item, like))
    offsets = np.concatenate(([0], np.bincount(like.astype(np.int64), minlength=items).cumsum()))
    heard, says = item[order].astype(np.int64), cosine[order].astype(np.float32)
    return csr(torch.from_numpy(offsets), torch.from_numpy(heard), torch.from_numpy(says), items)


def _nearest(columns: Any, some: range, length: Any, neighbours: int, shrink: float) -> tuple[Any, Any, Any]:
    """Of each of ``some`` items, the most alike and the cosines: three columns [N]."""
    both = (columns[:, some.start : some.stop].T @ columns).tocoo()
    row, like = both.row.astype(np.int64), both.col.astype(np.int64)
    tiny = np.finfo(np.float64).tiny
    cosine = both.data / np.maximum(length[row + some.start] * length[like] + shrink, tiny)
    others = row + some.start != like  # an item is nothing to itself
    row, like, cosine = row[others], like[others], cosine[others]
    order = np.lexsort((like, -cosine, row))
    row, like, cosine = row[order], like[order], cosine[order]
    begin = np.searchsorted(row, np.arange(len(some)))
    near = np.arange(len(row)) - begin[row] < neighbours
    return row[near] + some.start, like[near], cosine[near]
