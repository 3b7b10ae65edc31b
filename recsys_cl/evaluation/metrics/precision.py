"""Precision: the share of the recommendations that was right."""

from __future__ import annotations

from torch import Tensor

from recsys_cl.core.values import Ranking


class Precision:
    """``hits in the first k / k``, between 0 and 1; trec_eval's ``P_k``.

    Always divided by ``k``: a list that ends early is not rewarded for it.
    """

    convention = "hits in the first k / k, also for shorter lists"
    reads: tuple[str, ...] = ()
    larger_is_better: bool | None = True

    def __init__(self, k: int) -> None:
        self.k = k
        self.name = f"precision@{k}"

    def __call__(self, ranking: Ranking) -> Tensor:
        """Values [U], float64."""
        return ranking.hits[:, : self.k].sum(1).double() / self.k
