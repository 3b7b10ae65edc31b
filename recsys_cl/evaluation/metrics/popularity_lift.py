"""Popularity lift: how much more popular the recommendations are than what the user met of their own accord."""

from __future__ import annotations

import torch
from torch import Tensor

from recsys_cl.core.values import Ranking
from recsys_cl.ops.ragged import owners


class PopularityLift:
    """``mean popularity of the first k / mean popularity of the user's history - 1``: 0 when alike, -1 when nobody knows them.

    Abdollahpouri et al., 2020, RecSys, "The connection between popularity bias, calibration, and fairness in recommendation",
    there for groups, here for each user. Popularity is the number of known interactions; what a user met twice counts twice.
    """

    convention = "mean known interactions of the listed items among the first k / the same of the user's history - 1"
    reads: tuple[str, ...] = ("popularity", "history")
    larger_is_better: bool | None = None

    def __init__(self, k: int) -> None:
        self.k = k
        self.name = f"popularity_lift@{k}"

    def __call__(self, ranking: Ranking) -> Tensor:
        """Values [U], float64; 0 where the list or the history is empty."""
        assert ranking.popularity is not None
        assert ranking.history is not None
        met, history = ranking.popularity.double(), ranking.history
        items = ranking.items[:, : self.k]
        listed = (items >= 0).sum(1)
        got = torch.where(items >= 0, met[items.clamp(min=0)], 0.0).sum(1) / listed.clamp(min=1)
        past = torch.zeros_like(got).index_add_(0, owners(history.lengths), met[history.values]) / history.lengths.clamp(min=1)
        return torch.where((listed > 0) & (past > 0), got / past.clamp(min=1e-300) - 1, 0.0)
