"""Hit rate: whether anything right was recommended at all."""

from __future__ import annotations

from torch import Tensor

from recsys_cl.core.values import Ranking


class HitRate:
    """1 where one of the first ``k`` items was held out, else 0; its mean is the share of users served.

    Relations: with one held-out item per user (leave-last-out) it equals recall. The "hit ratio" of some toolkits pools all
    hits over all held-out items instead.
    """

    convention = "1 if any of the first k is held out, else 0"
    reads: tuple[str, ...] = ()
    larger_is_better: bool | None = True

    def __init__(self, k: int) -> None:
        self.k = k
        self.name = f"hit_rate@{k}"

    def __call__(self, ranking: Ranking) -> Tensor:
        """Values [U], float64."""
        return ranking.hits[:, : self.k].any(1).double()
