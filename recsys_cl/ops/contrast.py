"""The one InfoNCE: two encodings of the same samples, each row's positive opposite it, every other row a negative."""

from __future__ import annotations

import torch
from torch import Tensor

from recsys_cl.ops.similarity import Similarity
from recsys_cl.ops.softmax import softmax


def info_nce(
    anchors: Tensor,
    positives: Tensor,
    *,
    temperature: float,
    similarity: Similarity = "cosine",
    two_sided: bool = False,
    ids: Tensor | None = None,
) -> Tensor:
    """Mean over rows of ``-log exp(s(a_i, p_i)/tau) / sum_j exp(s(a_i, p_j)/tau)`` (van den Oord et al. 2018, eq. 4).

    Args:
        anchors: [N, D].
        positives: [N, D], row ``i`` the other encoding of sample ``i``.
        temperature: tau.
        similarity: see ``Similarity``.
        two_sided: the mean of both directions, anchors asking and positives asking.
        ids: [N] who the rows are, where they may repeat: rows of one id are one sample (the first), never its negatives.

    Returns:
        A scalar >= 0; 0 for a batch of one.
    """
    if ids is not None:
        first = _first_rows(ids)
        anchors, positives = anchors[first], positives[first]
    rows = torch.arange(len(anchors), device=anchors.device)
    loss = softmax(anchors, positives, rows, temperature=temperature, similarity=similarity)
    if not two_sided:
        return loss
    return (loss + softmax(positives, anchors, rows, temperature=temperature, similarity=similarity)) / 2


def _first_rows(ids: Tensor) -> Tensor:
    """The row at which each distinct id stands first, in the order of the ids."""
    distinct, which = torch.unique(ids, return_inverse=True)
    rows = torch.arange(len(ids), device=ids.device)
    return torch.full_like(distinct, len(ids)).scatter_reduce_(0, which, rows, "amin")
