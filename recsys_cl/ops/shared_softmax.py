"""Softmax cross-entropy against negatives that all queries share: one pass over a block of logits, gradients at once."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from recsys_cl.ops.precision import full_precision

_BLOCK = 2**20  # logits at hand at once: 4 MiB of fp32


@full_precision
def shared_softmax(
    queries: Tensor,
    answers: Tensor,
    rows: Tensor,
    hits: tuple[Tensor, Tensor],
    shift: Tensor | None = None,
    balance: float | None = None,
) -> Tensor:
    """Mean of ``log(exp(q.a) + sum_k exp(q.r_k - shift_k)) - q.a`` over queries, without the negatives that are the answer.

    Args:
        queries: [T, D], divided by the temperature.
        answers: [T, D], the vector that answers each.
        rows: [K, D], the negatives of all of them, repeats included; K >= 1.
        hits: what answers each query [T], and what each negative is [K]: where they are one, the negative is left out.
        shift: [K] subtracted from the negatives' logits, or None.
        balance: where given, the answer has no place in the denominator, and the mean exponential of the negatives stands in
            for their sum: ``balance * log mean_k exp(q.r_k - shift_k) - q.a``, over the queries that have a negative left.

    Returns:
        A scalar, whose gradient has a closed form and was accumulated while the logits were at hand; no second derivative.
    """
    loss: Tensor = _SharedSoftmax.apply(queries, answers, rows, *hits, shift, balance)  # type: ignore[no-untyped-call]
    return loss


class _SharedSoftmax(torch.autograd.Function):
    """Forward accumulates the gradients block by block, backward scales them."""

    @staticmethod
    def forward(
        ctx: Any,
        queries: Tensor,
        answers: Tensor,
        rows: Tensor,
        positive: Tensor,
        negative: Tensor,
        shift: Tensor | None,
        balance: float | None,
    ) -> Tensor:
        total, asked = queries.new_zeros(()), queries.new_zeros(())
        slopes, answer_slopes, row_slopes = torch.empty_like(queries), torch.empty_like(answers), torch.zeros_like(rows)
        bias = rows.new_zeros(len(rows)) if shift is None else -shift.to(rows.dtype)
        for begin in range(0, len(queries), step := max(1, _BLOCK // len(rows))):
            block = slice(begin, begin + step)
            asking, answer = queries[block], answers[block]
            hit = (asking * answer).sum(-1, keepdim=True)
            own = positive[block, None] == negative
            logits = torch.addmm(bias, asking, rows.T).masked_fill_(own, -torch.inf)
            if balance is None:
                losses, weight, wrong = _beside(logits, hit)
                asked += len(losses)
            else:
                left = (len(rows) - own.sum(-1, keepdim=True)).to(hit.dtype)
                losses, weight, wrong = _apart(logits, hit, left, balance)
                asked += (left > 0).sum()
            total += losses.sum()
            torch.mm(logits, rows, out=slopes[block]).mul_(weight).addcmul_(answer, wrong)
            torch.mul(asking, wrong, out=answer_slopes[block])
            row_slopes.addmm_(logits.T, asking * weight)
        ctx.save_for_backward(slopes, answer_slopes, row_slopes)
        ctx.asked = asked.clamp_(min=1)
        return total / asked

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        scale = gradients[0] / ctx.asked
        return (*(slope * scale for slope in ctx.saved_tensors), None, None, None, None)


def _beside(logits: Tensor, hit: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """With the answer in the denominator: turns ``logits`` [b, K] into exponentials; three columns [b, 1].

    They are the losses, what each exponential weighs in the gradient, and the answer's probability less one.
    """
    peak = torch.maximum(logits.amax(-1, keepdim=True), hit)
    own = (hit - peak).exp()
    mass = logits.sub_(peak).exp_().sum(-1, keepdim=True) + own
    return mass.log() + peak - hit, 1 / mass, own / mass - 1


def _apart(logits: Tensor, hit: Tensor, left: Tensor, balance: float) -> tuple[Tensor, Tensor, Tensor]:
    """The same without it, where ``left`` [b, 1] negatives are: where there are none, all is 0."""
    some = left > 0
    peak = logits.amax(-1, keepdim=True).nan_to_num_(neginf=0.0)
    mass = logits.sub_(peak).exp_().sum(-1, keepdim=True) + ~some
    losses = balance * (mass.log() + peak - left.clamp_min(1).log()) - hit
    return losses * some, balance / mass * some, -some.to(hit)
