"""A metric among cold items alone: could new items be told apart by their content?"""

from __future__ import annotations

from typing import Literal

from pydantic import PositiveInt
from torch import Tensor

from recsys_cl.core.build import build
from recsys_cl.core.protocols import Metric
from recsys_cl.core.settings import Component
from recsys_cl.core.values import Ranking


class Cold:
    """``recall_cold@20``: the metric when only items that nobody has met are ranked, and only those count as held out.

    Over the whole catalogue cold items compete with items whose taste is known; that is the segment "cold items: cold".

    Args:
        k: length of the list.
        of: the metric.
    """

    reads: tuple[str, ...] = ("cold",)

    def __init__(self, k: PositiveInt, of: Literal["recall", "ndcg", "hit_rate", "precision", "mrr", "map"] = "recall") -> None:
        self.of: Metric = build("evaluation.metrics", Component(use=of, k=k), "of")
        self.k, self.larger_is_better = k, self.of.larger_is_better
        self.name = f"{of}_cold@{k}"
        self.convention = (
            f"{self.of.convention}; candidates and held-out items are those that nobody met before the part, "
            "0 for a user of whom no such item is held out"
        )

    def __call__(self, ranking: Ranking) -> Tensor:
        """Values [U], float64; 0 where no cold item was held out."""
        assert ranking.cold is not None
        return self.of(ranking.cold)
