"""Recall: the share of a user's held-out items that was recommended."""

from __future__ import annotations

from torch import Tensor

from recsys_cl.core.values import Ranking


class Recall:
    """``hits in the first k / held-out items``, between 0 and 1; as LightGCN (He et al., 2020, arXiv:2002.02126).

    Where more than ``k`` items are held out, 1 cannot be reached; the variant that divides by ``min(k, held-out)`` is another
    metric. trec_eval, RecBole and ranx divide as here.
    """

    convention = "hits in the first k / number of held-out items (not capped at k)"
    reads: tuple[str, ...] = ()
    larger_is_better: bool | None = True

    def __init__(self, k: int) -> None:
        self.k = k
        self.name = f"recall@{k}"

    def __call__(self, ranking: Ranking) -> Tensor:
        """Values [U], float64; 0 where nothing was held out."""
        return ranking.hits[:, : self.k].sum(1).double() / ranking.held_out.clamp(min=1)
