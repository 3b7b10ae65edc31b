"""Cross-entropy of aligned rows in both directions from one matrix of logits: half the products of asking twice."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from recsys_cl.ops.precision import full_precision
from recsys_cl.ops.similarity import Similarity, lift
from recsys_cl.ops.twice import must_be_twice_differentiable

_BLOCK = 2**19  # logits worked on at once: 2 MiB of fp32 stay in the cache between the passes over them
_HELD = 2**23  # logits kept for the second pass; of more they are computed again
_NARROW = 40.0  # logits no larger than this can be exponentiated as they are


@full_precision
def two_sided_softmax(one: Tensor, other: Tensor, *, temperature: float, similarity: Similarity = "dot") -> Tensor:
    """Mean of ``-log softmax_j(s(a_i, b_j) / tau)[i]`` over both directions, ``one`` [N, D] asking and ``other`` [N, D] asking.

    The normalisers of both are known after one pass over the logits; the second turns them into probabilities and, as
    in ``ops/softmax.py``, at once into the gradient, which backward only scales. A second derivative is available only
    within `ops.twice`.
    """
    asking, answering = lift(one, other, similarity)
    if must_be_twice_differentiable():
        logits = asking @ answering.T / temperature
        return (logits.logsumexp(-1) + logits.logsumexp(-2) - 2 * logits.diagonal()).mean() / 2
    loss: Tensor = _TwoSided.apply(asking / temperature, answering, 1 / temperature if similarity == "cosine" else math.inf)  # type: ignore[no-untyped-call]
    return loss


class _TwoSided(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, one: Tensor, other: Tensor, bound: float) -> Tensor:
        logits = _Logits(one, other, narrow=bound <= _NARROW)
        rows, columns = logits.normalisers()
        total = rows.sum() + columns.sum() - 2 * (one * other).sum()
        if any(ctx.needs_input_grad[:2]):
            ctx.save_for_backward(*logits.slopes(rows, columns))
        return total / (2 * len(one))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        slopes, other_slopes = ctx.saved_tensors
        scale = gradients[0] / (2 * len(slopes))
        return slopes * scale, other_slopes * scale, None


class _Logits:
    """One asking about the other, [N, N], by blocks of rows; exponentiated already where that is safe (``narrow``)."""

    def __init__(self, one: Tensor, other: Tensor, *, narrow: bool) -> None:
        self._one, self._other, self._narrow = one, other, narrow
        count, step = len(one), max(1, _BLOCK // len(one))
        self._blocks = [slice(start, start + step) for start in range(0, count, step)]
        self._held = one.new_empty(count, count) if count * count <= _HELD else None

    def normalisers(self) -> tuple[Tensor, Tensor]:
        """Log of the sum of the exponentials of each row [N] and of each column [N]."""
        rows = self._one.new_empty(len(self._one))
        columns = torch.full_like(rows, 0.0 if self._narrow else -torch.inf)
        for block in self._blocks:
            logits = self._computed(block)
            if self._narrow:
                torch.sum(logits, 1, out=rows[block])
                columns += logits.sum(0)
            else:
                torch.logsumexp(logits, 1, out=rows[block])
                columns = torch.logaddexp(columns, logits.logsumexp(0))
        return (rows.log_(), columns.log_()) if self._narrow else (rows, columns)

    def slopes(self, rows: Tensor, columns: Tensor) -> tuple[Tensor, Tensor]:
        """Derivatives of the sum of both directions' losses by the rows of one and of the other, [N, D] each."""
        slopes, other_slopes = torch.empty_like(self._one), self._other.new_zeros(self._other.shape)
        for block in self._blocks:
            logits = self._computed(block) if self._held is None else self._held[block]
            if self._narrow:
                shares = logits.mul_((-rows[block, None]).exp() + (-columns).exp())
            else:
                shares = (logits - rows[block, None]).exp_().add_((logits - columns).exp_())
            torch.mm(shares, self._other, out=slopes[block])
            other_slopes.addmm_(shares.T, self._one[block])
        return slopes.sub_(self._other, alpha=2), other_slopes.sub_(self._one, alpha=2)

    def _computed(self, block: slice) -> Tensor:
        room = None if self._held is None else self._held[block]
        logits = torch.mm(self._one[block], self._other.T, out=room)
        return logits.exp_() if self._narrow else logits
