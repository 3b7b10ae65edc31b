"""Serendipity: the share of the recommendations that was right and that popularity would not have come upon."""

from __future__ import annotations

import torch
from torch import Tensor

from recsys_cl.core.values import Ragged, Ranking
from recsys_cl.ops.ragged import owners


class Serendipity:
    """``hits in the first k that a popularity list of k does not hold / k``, between 0 and ``precision``.

    Ge, Delgado-Battenfeld & Jannach, 2010, RecSys, with popularity as the primitive recommender: the user's k most popular
    items that they had not met, ties to the smaller id. What they had met is no discovery either.
    """

    convention = "hits in the first k that are neither met before nor among the k most popular items not met before / k"
    reads: tuple[str, ...] = ("popularity", "history")
    larger_is_better: bool | None = True

    def __init__(self, k: int) -> None:
        self.k = k
        self.name = f"serendipity@{k}"

    def __call__(self, ranking: Ranking) -> Tensor:
        """Values [U], float64."""
        assert ranking.popularity is not None
        assert ranking.history is not None
        order = ranking.popularity.argsort(descending=True, stable=True)
        place = torch.empty_like(order)
        place[order] = torch.arange(len(order), device=order.device)
        items = ranking.items[:, : self.k]
        before, met = _met_before(place[items.clamp(min=0)], place, ranking.history, len(order))
        obvious = place[items.clamp(min=0)] - before < self.k
        return (ranking.hits[:, : self.k] & ~obvious & ~met).sum(1).double() / self.k


def _met_before(asked: Tensor, place: Tensor, history: Ragged, catalogue: int) -> tuple[Tensor, Tensor]:
    """How many items each user met that are more popular than each of ``asked`` [U, k], and whether they met that one."""
    rows = owners(history.lengths)
    keys = torch.unique(rows * catalogue + place[history.values])  # sorted: by user, then from the most popular on
    users = torch.arange(len(asked), device=asked.device)[:, None] * catalogue
    first, here = torch.searchsorted(keys, users.contiguous()), torch.searchsorted(keys, users + asked)
    after = torch.searchsorted(keys, users + asked, right=True)
    return here - first, after > here
