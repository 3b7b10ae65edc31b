"""Cosine contrastive loss: negatives count only above a margin (Mao et al. 2021, SimpleX, CIKM, arXiv:2109.12613)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import torch
from annotated_types import Ge, Gt, Lt
from torch import Tensor

from recsys_cl.core.values import Batch, Encoding
from recsys_cl.objectives._scores import scores


class CosineContrastive:
    """``(1 - cos(u,p)) + weight * mean_n max(0, cos(u,n) - margin)``, mean over queries.

    Args:
        margin: cosines up to this cost nothing; -1 counts every negative.
        weight_negative: of the negatives' mean against the positive (``weight`` is the whole term's).

    Relations: ``bsl`` weighs negatives smoothly by their score, this cuts the easy ones off.
    """

    views = 0
    reads_negatives = 1
    mean_of_queries = True

    def __init__(
        self, *, margin: Annotated[float, Ge(-1), Lt(1)] = 0.9, weight_negative: Annotated[float, Gt(0)] = 150.0
    ) -> None:
        self.margin = margin
        self.weight = weight_negative

    def __call__(self, main: Encoding, views: Sequence[Encoding], batch: Batch[Any]) -> Tensor:  # noqa: ARG002
        """Mean loss of the batch; an accidental hit among shared negatives is left out."""
        hit, missed, kept = scores(main, batch, "cosine")
        over = torch.relu(missed - self.margin) * kept
        return (1 - hit.squeeze(-1) + self.weight * over.sum(-1) / kept.sum(-1).clamp_min(1)).mean()
