"""Supervised contrast of users and items: all of a user's items in the batch are its positives (Khosla et al. 2020)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from recsys_cl.core.values import Batch, Encoding
from recsys_cl.ops.precision import full_precision
from recsys_cl.ops.similarity import Similarity, Temperature, checked_temperature, lift


class SupCon:
    """``-mean_{p in P(u)} log exp(s(u,p)/tau) / sum_i exp(s(u,i)/tau)``, mean over distinct users (arXiv:2004.11362, eq. 2).

    The label of an item is the user that asks; ``i`` ranges over the batch's distinct positives, the user's own among them, or
    over the whole catalogue where the batch asks for it.

    Args:
        temperature: tau.
        similarity: cosine there.

    Relations: where every user of the batch asks once it is ``softmax`` without drawn negatives. Otherwise that weighs pairs
    alike, and this users.
    """

    views = 0

    def __init__(self, *, temperature: Temperature = 0.1, similarity: Similarity = "cosine") -> None:
        self.temperature = checked_temperature(temperature)
        self.similarity: Similarity = similarity

    def __call__(self, main: Encoding, views: Sequence[Encoding], batch: Batch[Any]) -> Tensor:  # noqa: ARG002
        """Mean loss of the batch's users."""
        items = main.items if batch.items is None else main.items[: batch.positives]
        logits = _logits(main.users, items, self.temperature, self.similarity)
        pulls = logits[batch.query, batch.positive]
        count = torch.bincount(batch.query, minlength=len(logits)).to(logits.dtype)
        asked = count > 0
        mean = torch.zeros_like(count).index_add(0, batch.query, pulls) / count.clamp_min(1)
        return (logits.logsumexp(-1) - mean).where(asked, 0.0).sum() / asked.sum()


@full_precision
def _logits(users: Tensor, items: Tensor, temperature: float, similarity: Similarity) -> Tensor:
    queries, candidates = lift(users, items, similarity)
    return (queries / temperature) @ candidates.T
