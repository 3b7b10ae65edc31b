"""Vectors become each user's exact full ranking, marked with what was held out."""

from __future__ import annotations

import torch
from torch import Tensor

from recsys_cl.core.values import Encoding, Ragged, Ranking, Shape
from recsys_cl.ops.topk import top_k


def rank(
    encoding: Encoding,
    truth: Ragged,
    seen: Ragged | None,
    k: int,
    budget: int = 2**30,
    model: str = "the model",
    popularity: Tensor | None = None,
) -> tuple[Ranking, Tensor]:
    """Rank the whole catalogue for every user and say which of the first ``k`` were held out.

    Args:
        encoding: users [U, D] and the catalogue [I, D].
        truth: the held-out items of each of the U users, none twice; I stands for items outside the vocabulary.
        seen: the items that each must not get, ids below I.
        k: length of the lists; users with fewer items left to recommend get lists that end with -1.
        budget: bytes of working memory.
        model: whose vectors these are, for messages.
        popularity: known interactions [I] of each item, for the metrics that read it.

    Returns:
        The ranking, and the scores [U, k] of its items in fp32.

    Raises:
        Refused: scores are not finite, or the budget does not hold the scores of a few users.
    """
    top = top_k(encoding.users, encoding.items, k, seen, budget, model)
    shape = Shape(len(encoding.users), len(encoding.items))
    return Ranking(top.items, _members(top.items, truth, shape.items), truth.lengths, shape, popularity), top.scores


def _members(items: Tensor, truth: Ragged, catalogue: int) -> Tensor:
    """Whether each of ``items`` [U, k] is in its row of ``truth``: one search among sorted (row, item) keys."""
    width = catalogue + 1  # one more, for what is outside the vocabulary
    rows = torch.arange(len(truth), device=items.device)
    right = (rows.repeat_interleave(truth.lengths) * width + truth.values).sort().values
    asked = rows[:, None] * width + items
    found = torch.searchsorted(right, asked).clamp_(max=max(len(right) - 1, 0))
    return (right[found] == asked) & (items >= 0) if len(right) else torch.zeros_like(items, dtype=torch.bool)
