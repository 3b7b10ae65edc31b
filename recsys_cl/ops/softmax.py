"""Softmax cross-entropy over a whole catalogue without ever holding more than a block of its logits.

Loss of query ``t``: ``log sum_j w_j exp(s(q_t, c_j) / tau) - s(q_t, c_target) / tau``. The gradient has a closed form
(probabilities minus the target's one-hot), so it is accumulated while the logits of a block are at hand and backward
only scales it: three matrix products in all, nothing recomputed.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn.functional import embedding, threshold

from recsys_cl.ops.similarity import Similarity, lift

_CPU_BLOCK = 2**20  # logits at hand at once: 4 MiB of fp32 stay in the cache between the passes over them
_GPU_BLOCK = 2**26
_NOTHING = 1e-30  # a smaller probability is dropped: denormal numbers make a matrix product ten times slower
_DENSE = 64  # a gathered pair costs about as much as this many pairs of a matrix product [measured: CPU, D = 64]


def softmax(
    queries: Tensor,
    candidates: Tensor,
    target: Tensor,
    *,
    temperature: float,
    similarity: Similarity = "dot",
) -> Tensor:
    """Mean cross-entropy of each query's target among all candidates.

    Args:
        queries: [T, D].
        candidates: [M, D], each once; in-batch items or the whole catalogue.
        target: [T] row of ``candidates`` that answers.
        temperature: divides the similarities.
        similarity: see ``Similarity``.

    Returns:
        A scalar; its second derivative is not available.
    """
    queries, candidates = lift(queries, candidates, similarity)
    return _softmax(queries / temperature, candidates, target, None, None, None)


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
            the full softmax's: Bengio & Senécal 2008, IEEE TNN 19(4), eq. 11.
        in_batch: the first so many candidates are negatives of every query as well.
    """
    queries, candidates = lift(queries, candidates, similarity)
    queries = queries / temperature
    if negative.dim() == 2 and not in_batch and _DENSE * negative.shape[1] < len(candidates):
        return _gathered(queries, candidates, positive, negative, log_expected)
    counts = torch.zeros_like(candidates[:, 0])
    counts[:in_batch] = 1
    if negative.dim() == 1:
        counts.index_add_(0, negative, torch.ones_like(negative, dtype=counts.dtype))
        return _softmax(queries, candidates, positive, counts, None, log_expected)
    return _softmax(queries, candidates, positive, counts, negative, log_expected)


def _gathered(queries: Tensor, candidates: Tensor, positive: Tensor, negative: Tensor, log_expected: Tensor | None) -> Tensor:
    hit = (queries * embedding(positive, candidates)).sum(-1, keepdim=True)
    missed = (embedding(negative, candidates) @ queries.unsqueeze(-1)).squeeze(-1)
    if log_expected is not None:
        missed = missed - log_expected[negative].to(missed.dtype)
    missed = missed.masked_fill(negative == positive.unsqueeze(-1), -torch.inf)
    return (torch.cat((hit, missed), -1).logsumexp(-1) - hit.squeeze(-1)).mean()


def _softmax(
    queries: Tensor,
    candidates: Tensor,
    target: Tensor,
    counts: Tensor | None,
    drawn: Tensor | None,
    log_expected: Tensor | None,
) -> Tensor:
    loss: Tensor = _BlockSoftmax.apply(queries, candidates, target, counts, drawn, log_expected)  # type: ignore[no-untyped-call]
    return loss


class _BlockSoftmax(torch.autograd.Function):
    """Candidate ``j`` stands ``counts[j]`` times (and once per mention in ``drawn``) in the denominator, the target once."""

    @staticmethod
    def forward(
        ctx: Any,
        queries: Tensor,
        candidates: Tensor,
        target: Tensor,
        counts: Tensor | None,
        drawn: Tensor | None,
        log_expected: Tensor | None,
    ) -> Tensor:
        total = torch.zeros((), dtype=queries.dtype, device=queries.device)
        wanted = ctx.needs_input_grad
        slopes = torch.empty_like(queries) if wanted[0] else None
        candidate_slopes = torch.zeros_like(candidates) if wanted[1] else None
        for rows in _blocks(len(queries), candidates):
            logits = queries[rows] @ candidates.T
            answer = target[rows, None]
            if counts is not None:
                _weigh(logits, answer, counts, None if drawn is None else drawn[rows], log_expected)
            logits = logits.log_softmax(-1)
            total -= logits.gather(1, answer).sum()
            excess = threshold(logits.exp_(), _NOTHING, 0.0, inplace=True)
            excess.scatter_add_(1, answer, torch.full_like(answer, -1, dtype=excess.dtype))
            if slopes is not None:
                torch.mm(excess, candidates, out=slopes[rows])
            if candidate_slopes is not None:
                candidate_slopes.addmm_(excess.T, queries[rows])
        ctx.save_for_backward(slopes, candidate_slopes)
        ctx.rows = len(queries)
        return total / len(queries)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        scale = gradients[0] / ctx.rows
        slopes = [None if slope is None else slope * scale for slope in ctx.saved_tensors]
        return slopes[0], slopes[1], None, None, None, None


def _weigh(logits: Tensor, answer: Tensor, counts: Tensor, drawn: Tensor | None, log_expected: Tensor | None) -> None:
    """Add log weights to a block of logits in place; the answers keep theirs."""
    kept = logits.gather(1, answer)
    if drawn is not None:
        counts = counts.repeat(len(drawn), 1).scatter_add_(1, drawn, torch.ones_like(drawn, dtype=counts.dtype))
    if log_expected is not None:
        logits -= log_expected.masked_fill(log_expected.isneginf(), 0).to(
            logits.dtype
        )  # what is never drawn has no count either
    logits += counts.log()
    logits.scatter_(1, answer, kept)


def _blocks(rows: int, candidates: Tensor) -> list[slice]:
    budget = _GPU_BLOCK if candidates.is_cuda else _CPU_BLOCK
    step = max(1, budget // len(candidates))
    return [slice(start, start + step) for start in range(0, rows, step)]
