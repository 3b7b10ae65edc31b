"""Intra-list diversity: how different the categories of the items in one list are."""

from __future__ import annotations

import torch
from torch import Tensor

from recsys_cl.core.values import Ragged, Ranking
from recsys_cl.ops.ragged import owners, spans

_CELLS = 2**22
"""Users times list times categories, or times list again, that are worked on at once."""


class IntraListDiversity:
    """Mean over pairs of listed items of ``1 - shared / all`` of their categories (Jaccard), between 0 and 1.

    Smyth & McClave, 2001, ICCBR; Ziegler et al., 2005, WWW, with the categories that the item table gives, so that models are
    compared by the same measure. Relations: ``vector_diversity`` measures by the model's own vectors.
    """

    convention = "mean of 1 - Jaccard of categories over pairs of the first k; items without a category are left out"
    reads: tuple[str, ...] = ("categories",)
    larger_is_better: bool | None = None

    def __init__(self, k: int) -> None:
        self.k = k
        self.name = f"intra_list_diversity@{k}"

    def __call__(self, ranking: Ranking) -> Tensor:
        """Values [U], float64; 0 for lists without a pair."""
        assert ranking.categories is not None
        categories, items = ranking.categories, ranking.items[:, : self.k]
        width = int(categories.values.max()) + 1 if len(categories.values) else 1
        block = max(_CELLS // (max(width, items.shape[1]) * max(items.shape[1], 1)), 1)
        values = [_diversity(some, categories, width) for some in torch.split(items, block)]
        return torch.cat(values) if values else torch.zeros(0, dtype=torch.float64)


def _diversity(items: Tensor, categories: Ragged, width: int) -> Tensor:
    """Values [b] of the lists ``items`` [b, k]."""
    listed = items.clamp(min=0).flatten()
    lengths = torch.where(items.flatten() >= 0, categories.lengths[listed], 0)
    kinds = categories.values[spans(categories.offsets[listed], lengths)]
    marks = torch.zeros(items.numel(), width, device=items.device)
    marks[owners(lengths), kinds] = 1
    marks = marks.view(*items.shape, width)
    shared = (marks @ marks.mT).double()
    sizes = lengths.view(items.shape).double()
    either = sizes[:, :, None] + sizes[:, None] - shared
    real = (sizes[:, :, None] > 0) & (sizes[:, None] > 0)
    real &= ~torch.eye(items.shape[1], dtype=torch.bool, device=items.device)
    apart = torch.where(real, 1 - shared / either.clamp(min=1), 0.0)
    return apart.sum((1, 2)) / real.sum((1, 2)).clamp(min=1)
