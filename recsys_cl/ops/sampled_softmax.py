"""Softmax cross-entropy against drawn negatives: accidental hits removed, sampling bias corrected."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import embedding

from recsys_cl.ops.precision import full_precision
from recsys_cl.ops.shared_softmax import shared_softmax
from recsys_cl.ops.similarity import Similarity, against, lift
from recsys_cl.ops.softmax import weighted_softmax
from recsys_cl.ops.twice import must_be_twice_differentiable

_DENSE = 50  # a gathered pair costs about as much as this many pairs of a matrix product [measured: CPU, D = 64]


@full_precision
def sampled_softmax(
    queries: Tensor,
    candidates: Tensor,
    positive: Tensor,
    negative: Tensor,
    *,
    temperature: float,
    similarity: Similarity = "dot",
    log_expected: Tensor | None = None,
    in_batch: int = 0,
) -> Tensor:
    """Mean cross-entropy of each query's positive among itself and drawn negatives.

    A negative that is the query's own positive (an accidental hit) is left out; one drawn twice counts twice.

    Args:
        queries: [B, D].
        candidates: [M, D], distinct items.
        positive: [B] row that answers.
        negative: rows drawn for each query, [B, K], or for all of them, [K].
        temperature: divides the similarities.
        similarity: see ``Similarity``.
        log_expected: [M] log of how often each row is expected among a query's negatives; subtracted from their logits
            (not from the positive's, which is there with certainty), it makes the denominator an unbiased estimate of
            the full softmax's: Bengio and Senécal 2008, IEEE TNN 19(4).
        in_batch: the first so many candidates are negatives of every query as well.
    """
    queries, candidates = lift(queries, candidates, similarity)
    queries = queries / temperature
    if not in_batch and (negative.dim() == 1 or _DENSE * negative.shape[1] < len(candidates)):
        return _gathered(queries, candidates, positive, negative, log_expected)
    counts = torch.zeros_like(candidates[:, 0])
    counts[:in_batch] = 1
    if negative.dim() == 2:
        return weighted_softmax(queries, candidates, positive, counts, negative, log_expected)
    counts.index_add_(0, negative, torch.ones_like(negative, dtype=counts.dtype))
    return weighted_softmax(queries, candidates, positive, counts, None, log_expected)


def _gathered(queries: Tensor, candidates: Tensor, positive: Tensor, negative: Tensor, log_expected: Tensor | None) -> Tensor:
    answers = embedding(positive, candidates)
    if negative.dim() == 1 and negative.numel() and not must_be_twice_differentiable():
        shift = None if log_expected is None else log_expected[negative]
        return shared_softmax(queries, answers, embedding(negative, candidates), (positive, negative), shift)
    hit = (queries * answers).sum(-1, keepdim=True)
    missed = against(queries, embedding(negative, candidates))
    if log_expected is not None:
        missed = missed - log_expected[negative].to(missed.dtype)
    missed = missed.masked_fill(negative == positive.unsqueeze(-1), -torch.inf)
    return (torch.cat((hit, missed), -1).logsumexp(-1) - hit.squeeze(-1)).mean()
