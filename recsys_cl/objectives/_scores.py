"""What each query's positive and negatives score: shared by the objectives that weigh drawn negatives themselves."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import embedding

from recsys_cl.core.errors import Refused
from recsys_cl.core.values import Batch, Encoding
from recsys_cl.ops.similarity import Similarity, against, lift


def scores(main: Encoding, batch: Batch[Any], similarity: Similarity) -> tuple[Tensor, Tensor, Tensor]:
    """Scores of the positive [B, 1] and of the negatives [B, K], and which negatives are not the positive itself [B, K]."""
    negative = drawn(batch)
    users, items = lift(main.users, main.items, similarity)
    asks = embedding(batch.query, users)
    hit = (asks * embedding(batch.positive, items)).sum(-1, keepdim=True)
    missed = against(asks, embedding(negative, items))
    return hit, missed, negative != batch.positive.unsqueeze(-1)


def drawn(batch: Batch[Any], *, in_batch: bool = False) -> Tensor:
    """The rows of the negatives drawn for each query, [B, K], or for all of them, [K].

    With ``in_batch`` the batch's distinct positives are the negatives of all queries where none are drawn.

    Raises:
        Refused: there are none.
    """
    if batch.negative is not None:
        return batch.negative
    if not in_batch or batch.items is None:
        raise Refused("sampler: this objective weighs drawn negatives and the recipe draws none")
    return torch.arange(batch.positives, device=batch.positive.device)


def log_mean_exp(logits: Tensor, kept: Tensor) -> Tensor:
    """Log of the mean of ``exp(logits)`` [B, K] over the kept entries of each row, [B]; meaningless where none is kept."""
    total = logits.masked_fill(~kept, -1e30).logsumexp(-1)  # finite, so that a row of nothing has a gradient, 0
    return total - kept.sum(-1).clamp_min(1).to(logits.dtype).log()


def mean_where(values: Tensor, asked: Tensor) -> Tensor:
    """Mean of ``values`` [B] over the rows ``asked`` [B] bool; 0 where there are none."""
    return values.where(asked, 0.0).sum() / asked.sum().clamp_min(1)
