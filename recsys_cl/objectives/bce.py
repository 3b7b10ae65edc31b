"""Binary cross-entropy: the item met is a yes, each drawn one a no (Kang and McAuley 2018, SASRec, arXiv:1808.09781)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor
from torch.nn.functional import softplus

from recsys_cl.core.values import Batch, Encoding
from recsys_cl.objectives._scores import scores
from recsys_cl.ops.similarity import Similarity


class BCE:
    """``-log sigmoid(s(u,p)) - mean_n log(1 - sigmoid(s(u,n)))``, mean over queries (section III.E; one negative there).

    Relations: ``bpr`` compares the two scores; this asks each for an absolute yes or no, and is overconfident with few
    negatives. ``softmax`` usually ranks better.
    """

    views = 0
    reads_negatives = 1
    mean_of_queries = True

    def __init__(self, *, similarity: Similarity = "dot") -> None:
        self.similarity = similarity

    def __call__(self, main: Encoding, views: Sequence[Encoding], batch: Batch[Any]) -> Tensor:  # noqa: ARG002
        """Mean loss of the batch; an accidental hit among shared negatives is left out."""
        hit, missed, kept = scores(main, batch, self.similarity)
        no = (softplus(missed) * kept).sum(-1) / kept.sum(-1).clamp_min(1)
        return (softplus(-hit.squeeze(-1)) + no).mean()
