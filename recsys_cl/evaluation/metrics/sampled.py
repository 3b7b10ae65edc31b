"""A metric among sampled negatives, in expectation: only to be compared with papers that sampled, never to choose by."""

from __future__ import annotations

from typing import Literal

import torch
from pydantic import PositiveInt
from torch import Tensor

from recsys_cl.core.errors import Refused
from recsys_cl.core.values import Ranking

_CELLS = 2**20
"""Held-out items times places of a list that are worked on at once."""


class Sampled:
    """``recall_s100@10``: what a list of 10 is expected to be worth when a held-out item is ranked among 100 sampled negatives.

    He et al., 2017, NCF, arXiv:1708.05031, section 4.1, averaged over a user's held-out items. The expectation over the draw
    (without replacement) is exact: of ``N`` negatives ``a`` stand above, so the number drawn of those is hypergeometric.
    Sampling reorders models: what is 1 % of the catalogue looks like the whole of it (Krichene & Rendle, 2020,
    doi:10.1145/3394486.3403226). Hence the name, and hence nothing is selected on it.

    Args:
        k: length of the list.
        of: what the list is worth: ``recall`` 1, ``ndcg`` 1 / log2(rank + 1), ``mrr`` 1 / rank.
        negatives: how many are drawn.
    """

    reads: tuple[str, ...] = ("standing",)
    larger_is_better: bool | None = True

    def __init__(self, k: int, of: Literal["recall", "ndcg", "mrr"] = "recall", negatives: PositiveInt = 100) -> None:
        if negatives < k:
            raise Refused(f"{of}_s{negatives}@{k}: a list of {k} among {negatives} sampled negatives holds everything")
        self.k = 0
        self.depth, self.of, self.negatives = k, of, negatives
        self.name = f"{of}_s{negatives}@{k}"
        self.convention = (
            f"WARNING: biased, not comparable with {of}; each held-out item among {negatives} uniformly sampled negatives, "
            "in expectation over the draw; ties count against it"
        )

    def __call__(self, ranking: Ranking) -> Tensor:
        """Values [U], float64; 0 where nothing was held out."""
        assert ranking.standing is not None
        at = ranking.standing
        everything, above, gains = at.negatives[at.rows], at.above + at.tied, self._gains().to(at.above.device)
        block = max(_CELLS // self.depth, 1)
        parts = zip(torch.split(everything, block), torch.split(above, block), strict=True)
        worth = torch.cat([_chances(*part, self.negatives, self.depth) @ gains for part in parts])
        worth = torch.where(at.offered, worth, 0.0)
        total = torch.zeros(len(at.negatives), dtype=torch.float64, device=worth.device).index_add_(0, at.rows, worth)
        return total / torch.bincount(at.rows, minlength=len(total)).clamp(min=1)

    def _gains(self) -> Tensor:
        """What each rank of the list is worth, [k]."""
        ranks = torch.arange(1, self.depth + 1, dtype=torch.float64)
        return {"recall": torch.ones_like(ranks), "ndcg": 1 / (ranks + 1).log2(), "mrr": 1 / ranks}[self.of]


def _chances(everything: Tensor, above: Tensor, negatives: int, depth: int) -> Tensor:
    """The chance that exactly r = 0 .. depth - 1 of the drawn negatives stand above each held-out item, [P, depth].

    ``everything`` [P] and ``above`` [P] count the negatives that there are, and those that stand above.
    """
    everything, above = everything[:, None].double(), above[:, None].double()
    drawn = everything.clamp(max=negatives)
    r = torch.arange(depth, device=above.device, dtype=torch.float64)
    ways = _log_choose(above, r) + _log_choose(everything - above, drawn - r) - _log_choose(everything, drawn)
    return ways.exp()


def _log_choose(n: Tensor, r: Tensor) -> Tensor:
    """Logarithm of the number of ways to choose r of n; -inf where there is none."""
    inside = (r >= 0) & (r <= n)
    r = r.clamp(min=0).minimum(n)
    ways = (n + 1).lgamma() - (r + 1).lgamma() - (n - r + 1).lgamma()
    return torch.where(inside, ways, -torch.inf)
