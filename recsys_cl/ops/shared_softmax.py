"""Softmax cross-entropy against negatives that all queries share: one pass over a block of logits, gradients at once."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

_BLOCK = 2**20  # logits at hand at once: 4 MiB of fp32


def shared_softmax(queries: Tensor, answers: Tensor, rows: Tensor, hits: tuple[Tensor, Tensor], shift: Tensor | None) -> Tensor:
    """Mean of ``log(exp(q.a) + sum_k exp(q.r_k - shift_k)) - q.a`` over queries, without the negatives that are the answer.

    Args:
        queries: [T, D], divided by the temperature.
        answers: [T, D], the vector that answers each.
        rows: [K, D], the negatives of all of them, repeats included; K >= 1.
        hits: what answers each query [T], and what each negative is [K]: where they are one, the negative is left out.
        shift: [K] subtracted from the negatives' logits, or None.

    Returns:
        A scalar, whose gradient has a closed form and was accumulated while the logits were at hand; no second derivative.
    """
    loss: Tensor = _SharedSoftmax.apply(queries, answers, rows, *hits, shift)  # type: ignore[no-untyped-call]
    return loss


class _SharedSoftmax(torch.autograd.Function):
    """Forward accumulates the gradients block by block, backward scales them."""

    @staticmethod
    def forward(
        ctx: Any, queries: Tensor, answers: Tensor, rows: Tensor, positive: Tensor, negative: Tensor, shift: Tensor | None
    ) -> Tensor:
        total = queries.new_zeros(())
        slopes, answer_slopes, row_slopes = torch.empty_like(queries), torch.empty_like(answers), torch.zeros_like(rows)
        bias = rows.new_zeros(len(rows)) if shift is None else -shift.to(rows.dtype)
        for begin in range(0, len(queries), step := max(1, _BLOCK // len(rows))):
            block = slice(begin, begin + step)
            asking, answer = queries[block], answers[block]
            hit = (asking * answer).sum(-1, keepdim=True)
            logits = torch.addmm(bias, asking, rows.T).masked_fill_(positive[block, None] == negative, -torch.inf)
            peak = torch.maximum(logits.amax(-1, keepdim=True), hit)
            shares, own = logits.sub_(peak).exp_(), (hit - peak).exp()
            mass = shares.sum(-1, keepdim=True) + own
            total += (mass.log() + peak - hit).sum()
            wrong = own / mass - 1  # of the answer's probability, how far it is below one
            torch.mm(shares, rows, out=slopes[block]).div_(mass).addcmul_(answer, wrong)
            torch.mul(asking, wrong, out=answer_slopes[block])
            row_slopes.addmm_(shares.T, asking / mass)
        ctx.save_for_backward(slopes, answer_slopes, row_slopes)
        ctx.rows = len(queries)
        return total / len(queries)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        scale = gradients[0] / ctx.rows
        return (*(slope * scale for slope in ctx.saved_tensors), None, None, None)
