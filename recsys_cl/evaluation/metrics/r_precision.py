"""R-precision: the share that was right among as many recommendations as there were right answers."""

from __future__ import annotations

import torch
from torch import Tensor

from recsys_cl.core.values import Ranking


class RPrecision:
    """``hits in the first R / R`` with ``R = min(k, held-out items)``, between 0 and 1.

    trec_eval's ``Rprec`` for everyone with at most ``k`` held-out items (Buckley & Voorhees, 2000, SIGIR); lists end at ``k``,
    so for the others this is precision at ``k``. The depth follows the user, so that users with few and with many right
    answers are asked equally hard questions.
    """

    convention = "hits in the first R / R, R = min(k, number of held-out items)"
    reads: tuple[str, ...] = ()
    larger_is_better: bool | None = True

    def __init__(self, k: int) -> None:
        self.k = k
        self.name = f"r_precision@{k}"

    def __call__(self, ranking: Ranking) -> Tensor:
        """Values [U], float64; 0 where nothing was held out."""
        hits = ranking.hits[:, : self.k]
        depth = ranking.held_out.clamp(max=self.k)[:, None]
        early = hits & (torch.arange(hits.shape[1], device=hits.device) < depth)
        return early.sum(1).double() / depth[:, 0].clamp(min=1)
