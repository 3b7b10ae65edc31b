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

from recsys_cl.ops.precision import full_precision
from recsys_cl.ops.similarity import Similarity, lift
from recsys_cl.ops.twice import must_be_twice_differentiable

_CPU_BLOCK = 2**21  # logits at hand at once, 8 MiB of fp32: of fewer rows, candidates would be read more often than caches gain
_GPU_BLOCK = 2**26
_LEAST = -60.0  # log of a ratio that adds nothing to a sum of doubles; exp and products of denormal numbers are slow
_NARROW = 40.0  # logits no larger than this can be exponentiated as they are: fp32 holds e^80


@full_precision
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
        A scalar; its second derivative is available only within `ops.twice`.
    """
    queries, candidates = lift(queries, candidates, similarity)
    queries = queries / temperature
    if must_be_twice_differentiable():
        logits = queries @ candidates.T
        return (logits.logsumexp(-1) - logits.gather(-1, target[:, None]).squeeze(-1)).mean()
    bound = 1 / temperature if similarity == "cosine" else _bound(queries, candidates)
    loss: Tensor = _BlockSoftmax.apply(queries, candidates, target, None, None, None, bound)  # type: ignore[no-untyped-call]
    return loss


@full_precision
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
    loss: Tensor = _BlockSoftmax.apply(queries, candidates, target, counts, drawn, log_expected, math.inf)  # type: ignore[no-untyped-call]
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
        bound: float,  # no logit lies further from 0
    ) -> Tensor:
        narrow = bound <= _NARROW
        total = torch.zeros((), dtype=queries.dtype, device=queries.device)
        wanted = ctx.needs_input_grad
        slopes = torch.empty_like(queries) if wanted[0] else None
        candidate_slopes = torch.zeros_like(candidates) if wanted[1] else None
        blocks = _blocks(len(queries), candidates)
        room = queries.new_empty(len(queries[blocks[0]]) if blocks else 0, len(candidates))
        for rows in blocks:
            asking, answer = queries[rows], target[rows, None]
            logits = torch.mm(asking, candidates.T, out=room[: len(asking)])
            if counts is not None:
                kept = logits.gather(1, answer)
                logits += _log_weights(counts, None if drawn is None else drawn[rows], log_expected)
                logits.scatter_(1, answer, kept)
            if not narrow:
                logits -= logits.amax(-1, keepdim=True)
            total -= logits.gather(1, answer).sum()
            shares = (logits if narrow else logits.clamp_(min=_LEAST)).exp_()
            mass = shares.sum(-1, keepdim=True)
            total += mass.log().sum()
            if slopes is not None:
                torch.mm(shares, candidates, out=slopes[rows]).div_(mass)
            if candidate_slopes is not None:
                candidate_slopes.addmm_(shares.T, asking / mass)
        if slopes is not None:
            slopes -= candidates.index_select(0, target)
        if candidate_slopes is not None:
            candidate_slopes.index_add_(0, target, queries, alpha=-1)
        ctx.save_for_backward(slopes, candidate_slopes)
        ctx.rows = len(queries)
        return total / len(queries)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        scale = gradients[0] / ctx.rows
        slopes = [None if slope is None else slope * scale for slope in ctx.saved_tensors]
        return slopes[0], slopes[1], None, None, None, None, None


def _log_weights(counts: Tensor, drawn: Tensor | None, log_expected: Tensor | None) -> Tensor:
    """What is added to a block of logits: [M], or [b, M] where rows were drawn for each of the b queries."""
    if drawn is not None:
        counts = counts.repeat(len(drawn), 1).scatter_add_(1, drawn, torch.ones_like(drawn, dtype=counts.dtype))
    weights = counts.clamp_min(1).log_().masked_fill_(counts == 0, -torch.inf)  # the logarithm of 0 is slow
    if log_expected is not None:  # what is never drawn has no count either
        weights -= log_expected.masked_fill(log_expected.isneginf(), 0).to(weights.dtype)
    return weights


@torch.no_grad()
def _bound(queries: Tensor, candidates: Tensor) -> float:
    """What no dot product exceeds, by Cauchy and Schwarz; infinite on a GPU, which would have to be waited for."""
    if queries.is_cuda or not len(queries):
        return math.inf
    return float(queries.norm(dim=-1).amax() * candidates.norm(dim=-1).amax())


def _blocks(rows: int, candidates: Tensor) -> list[slice]:
    budget = _GPU_BLOCK if candidates.is_cuda else _CPU_BLOCK
    step = max(1, budget // len(candidates))
    return [slice(start, start + step) for start in range(0, rows, step)]
