"""Capped recall: the share of the hits that a list of k could have had."""

from __future__ import annotations

from torch import Tensor

from recsys_cl.core.values import Ranking


class CappedRecall:
    """``hits in the first k / min(k, held-out items)``, between 0 and 1; what LensKit (2025.8) calls recall.

    Everyone can reach 1. Relations: ``recall`` where at most ``k`` items are held out, ``precision`` where at least ``k`` are.
    """

    convention = "hits in the first k / min(k, number of held-out items)"
    reads: tuple[str, ...] = ()
    larger_is_better: bool | None = True

    def __init__(self, k: int) -> None:
        self.k = k
        self.name = f"capped_recall@{k}"

    def __call__(self, ranking: Ranking) -> Tensor:
        """Values [U], float64; 0 where nothing was held out."""
        return ranking.hits[:, : self.k].sum(1).double() / ranking.held_out.clamp(1, self.k)
