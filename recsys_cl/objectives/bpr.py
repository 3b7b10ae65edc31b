"""Bayesian personalised ranking: the item met scores above one that was not (Rendle et al. 2009, arXiv:1205.2618)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor
from torch.nn.functional import softplus

from recsys_cl.core.values import Batch, Encoding
from recsys_cl.objectives._scores import scores
from recsys_cl.ops.similarity import Similarity


class BPR:
    """``-log sigmoid(s(u, p) - s(u, n))``, mean over queries and their negatives (section 4.1, BPR-Opt without its prior).

    Relations: ``softmax`` with one sampled negative, temperature 1 and dot product is the same function; with more
    negatives it lets the hardest dominate, where this weighs each pair on its own. The prior is ``l2``.
    """

    views = 0
    reads_negatives = 1

    def __init__(self, *, similarity: Similarity = "dot") -> None:
        self.similarity = similarity

    def __call__(self, main: Encoding, views: Sequence[Encoding], batch: Batch[Any]) -> Tensor:  # noqa: ARG002
        """Mean loss of the batch; an accidental hit among shared negatives is left out."""
        hit, missed, kept = scores(main, batch, self.similarity)
        return (softplus(missed - hit) * kept).sum() / kept.sum().clamp_min(1)
