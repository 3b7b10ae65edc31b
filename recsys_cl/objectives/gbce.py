"""Generalised BCE: as many no's as you like without overconfidence (Petrov and Macdonald 2023, gSASRec, arXiv:2308.07192)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import Field
from torch import Tensor
from torch.nn.functional import softplus

from recsys_cl.core.values import Batch, Encoding, Shape
from recsys_cl.objectives._scores import scores
from recsys_cl.ops.similarity import Similarity


class GBCE:
    """``-(beta log sigmoid(s(u,p)) + sum_n log(1 - sigmoid(s(u,n)))) / (K + 1)``, mean over queries.

    ``beta = a (t (1 - 1/a) + 1/a)`` for K negatives out of I items, ``a = K / (I - 1)``: the power that makes up for most
    items never being a no.

    Args:
        calibration: t. At 1, sigmoids are the probabilities they claim to be; at 0 this is BCE with summed negatives.
        similarity: see ``Similarity``.

    Relations: ``bce`` takes the mean of the negatives; with one negative and t = 0 this is half of it.
    """

    views = 0
    reads_negatives = 1
    mean_of_queries = True

    def __init__(
        self, *, shape: Shape, calibration: Annotated[float, Field(ge=0, le=1)] = 0.75, similarity: Similarity = "dot"
    ) -> None:
        self.items = shape.items
        self.calibration = calibration
        self.similarity = similarity

    def __call__(self, main: Encoding, views: Sequence[Encoding], batch: Batch[Any]) -> Tensor:  # noqa: ARG002
        """Mean loss of the batch; an accidental hit among shared negatives is left out."""
        hit, missed, kept = scores(main, batch, self.similarity)
        drawn = missed.shape[-1]
        share = drawn / max(1, self.items - 1)  # above 1 where items are drawn many times over: then the yes counts as often
        power = self.calibration * (share - 1) + 1
        no = (softplus(missed) * kept).sum(-1)
        return (power * softplus(-hit.squeeze(-1)) + no).mean() / (drawn + 1)
