"""Calibration: how far the categories of the recommendations are from those of the user's history; 0 is perfect."""

from __future__ import annotations

import torch
from torch import Tensor

from recsys_cl.core.values import Ragged, Ranking
from recsys_cl.ops.ragged import owners, spans

_CELLS = 2**22
"""Users times categories that are worked on at once."""


class Calibration:
    """Divergence ``sum over g of p(g) ln(p(g) / q'(g))`` of categories in history p and list q, in nats; larger is worse.

    Steck, 2018, RecSys, "Calibrated recommendations": an item is shared equally among its categories, all items
    of history and list weigh the same, and ``q' = (1 - alpha) q + alpha p``, which bounds the value by ``ln(1 / alpha)``.

    Args:
        k: length of the lists.
        alpha: how much of p is mixed into q.
    """

    reads: tuple[str, ...] = ("history", "categories")
    larger_is_better: bool | None = False

    def __init__(self, k: int, alpha: float = 0.01) -> None:
        self.k, self.alpha = k, alpha
        self.name = f"calibration@{k}"
        self.convention = (
            f"Kullback-Leibler divergence in nats of the history's categories from those of the first k, alpha {alpha}; "
            "items without a category are left out; larger is worse"
        )

    def __call__(self, ranking: Ranking) -> Tensor:
        """Values [U], float64; 0 where no item of the history has a category, ln(1 / alpha) where none of the list has."""
        assert ranking.history is not None
        assert ranking.categories is not None
        categories, history, items = ranking.categories, ranking.history, ranking.items[:, : self.k]
        width = int(categories.values.max()) + 1 if len(categories.values) else 1
        values = []
        for users in torch.split(torch.arange(len(items), device=items.device), max(_CELLS // width, 1)):
            begin, lengths = history.offsets[users], history.lengths[users]
            met = history.values[spans(begin, lengths)]
            p = _shares(owners(lengths), met, len(users), categories, width)
            rows, places = (items[users] >= 0).nonzero(as_tuple=True)
            q = _shares(rows, items[users][rows, places], len(users), categories, width)
            mixed = (1 - self.alpha) * q + self.alpha * p
            values.append((p * torch.where(p > 0, p / mixed, 1.0).log()).sum(1))
        return torch.cat(values) if values else torch.zeros(0, dtype=torch.float64)


def _shares(rows: Tensor, items: Tensor, count: int, categories: Ragged, width: int) -> Tensor:
    """Distribution of categories over the ``items`` [N] of each of ``count`` rows, [count, width]; 0 where there is none."""
    begin, lengths = categories.offsets[items], categories.lengths[items]
    kinds = categories.values[spans(begin, lengths)]
    each = owners(lengths)
    found = torch.zeros(count * width, dtype=torch.float64, device=items.device)
    found.index_add_(0, rows[each] * width + kinds, lengths[each].double().reciprocal())
    found = found.view(count, width)
    return found / found.sum(1, keepdim=True).clamp(min=1e-300)
