"""Softmax cross-entropy over a whole catalogue without ever holding more than a block of its logits.

Loss of query ``t``: ``log sum_j w_j exp(s(q_t, c_j) / tau) - s(q_t, c_target) / tau``. The gradient has a closed form
(probabilities minus the target's one-hot), so it is accumulated while the logits of a block are at hand and backward
only scales it: three matrix products in all, nothing recomputed.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn.functional import threshold

from recsys_cl.ops.similarity import Similarity, lift

_CPU_BLOCK = 2**19  # logits at hand at once: 2 MiB of fp32 stay in the cache between the passes over them
_GPU_BLOCK = 2**26
_LEAST = -80.0  # log of a probability that counts as none: exp and products of denormal numbers are 10 to 100 times slower


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
    return weighted_softmax(queries / temperature, candidates, target)


def weighted_softmax(
    queries: Tensor,
    candidates: Tensor,
    target: Tensor,
    counts: Tensor | None = None,
    drawn: Tensor | None = None,
    log_expected: Tensor | None = None,
) -> Tensor:
    """The same over plain dot products, where candidates stand in the denominator more than once, or not at all.

    Args:
        queries: [T, D], divided by the temperature.
        candidates: [M, D].
        target: [T]; a query's own target always stands there exactly once.
        counts: [M] how often each candidate stands in every denominator; None: once.
        drawn: [T, K] rows that stand once more, per mention, in their query's denominator.
        log_expected: [M] subtracted from the logits of all but the target.
    """
    loss: Tensor = _BlockSoftmax.apply(queries, candidates, target, counts, drawn, log_expected)  # type: ignore[no-untyped-call]
    return loss


class _BlockSoftmax(torch.autograd.Function):
    """``weighted_softmax``: forward accumulates the gradients block by block, backward scales them."""

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
                kept = logits.gather(1, answer)
                logits += _log_weights(counts, None if drawn is None else drawn[rows], log_expected)
                logits.scatter_(1, answer, kept)
            logits = logits.log_softmax(-1)
            total -= logits.gather(1, answer).sum()
            excess = threshold(logits.clamp_(min=_LEAST).exp_(), 2 * math.exp(_LEAST), 0.0, inplace=True)
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


def _log_weights(counts: Tensor, drawn: Tensor | None, log_expected: Tensor | None) -> Tensor:
    """What is added to a block of logits: [M], or [b, M] where rows were drawn for each of the b queries."""
    if drawn is not None:
        counts = counts.repeat(len(drawn), 1).scatter_add_(1, drawn, torch.ones_like(drawn, dtype=counts.dtype))
    weights = counts.clamp_min(1).log_().masked_fill_(counts == 0, -torch.inf)  # the logarithm of 0 is slow
    if log_expected is not None:  # what is never drawn has no count either
        weights -= log_expected.masked_fill(log_expected.isneginf(), 0).to(weights.dtype)
    return weights


def _blocks(rows: int, candidates: Tensor) -> list[slice]:
    budget = _GPU_BLOCK if candidates.is_cuda else _CPU_BLOCK
    step = max(1, budget // len(candidates))
    return [slice(start, start + step) for start in range(0, rows, step)]
