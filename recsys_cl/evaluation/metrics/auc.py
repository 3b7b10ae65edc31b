"""Area under the ROC curve: the chance that a held-out item is ranked above one that was not held out."""

from __future__ import annotations

import torch
from torch import Tensor

from recsys_cl.core.values import Ranking


class AreaUnderCurve:
    """Mean over a user's pairs of a held-out item and a negative of 1 where the held-out one scores higher, 1/2 where equal.

    Exact, over the full ranking (Rendle et al., 2009, BPR, section 4.1.1; the statistic of Mann & Whitney, 1947); 1/2 is
    chance. scikit-learn's ``roc_auc_score`` where everything can be recommended. It weighs the end of a ranking like its
    beginning, which nobody looks at: Krichene & Rendle, 2020, doi:10.1145/3394486.3403226.

    Args:
        k: read by nothing; there is one area whatever the depth.
    """

    convention = "pairs of held-out items and negatives ordered rightly, ties 1/2; what cannot be recommended loses to all"
    reads: tuple[str, ...] = ("standing",)
    larger_is_better: bool | None = True

    def __init__(self, k: int = 0) -> None:  # noqa: ARG002 - what metrics are built with
        self.k = 0
        self.name = "auc"

    def __call__(self, ranking: Ranking) -> Tensor:
        """Values [U], float64; 1/2 where there is nothing to compare."""
        assert ranking.standing is not None
        at = ranking.standing
        lost = at.above.double() + at.tied.double() / 2
        total = torch.zeros(len(at.negatives), dtype=torch.float64, device=lost.device).index_add_(0, at.rows, lost)
        pairs = at.negatives * torch.bincount(at.rows, minlength=len(total))
        return torch.where(pairs > 0, 1 - total / pairs.clamp(min=1), 0.5)
