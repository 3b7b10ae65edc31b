"""The inner loop of meta-learning: gradient descent on many tasks at once, each from the same start, without side effects."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import NamedTuple

import torch
from torch import Tensor
from torch.func import grad, vmap

from recsys_cl.ops.twice import twice_differentiable

Weights = Mapping[str, Tensor]


class Adapted(NamedTuple):
    """What T tasks made of one start."""

    weights: dict[str, Tensor]  # by name, [T, ...]
    steps: Tensor  # [T] int64: how many each took


def adapt(
    loss: Callable[..., Tensor],
    start: Weights,
    tasks: tuple[Tensor, ...],
    *,
    rate: float | Tensor,
    steps: int,
    first_order: bool = False,
    tolerance: float = 0.0,
    longest: float = math.inf,
) -> Adapted:
    """``w <- w - rate * d loss(w, task) / dw``, ``steps`` times for every task at once: the inner loop of MAML.

    Finn et al., 2017, Model-Agnostic Meta-Learning, arXiv:1703.03400, equation 1. What comes out depends on ``start``, and
    on all that ``loss`` reads, through every step, so that an outer loss can be differentiated by both.

    Args:
        loss: of weights by name and one task's tensors, a scalar; may read other tensors, which all tasks share.
        start: weights by name, the same for all tasks.
        tasks: tensors [T, ...] whose row t is task t's.
        rate: inner learning rate; a scalar tensor may be learned.
        steps: the budget; 0 leaves every task at the start.
        first_order: take the inner gradients for constants (first-order MAML, ibid., section 5.2).
        tolerance: a task whose gradient is no longer than this is where it wants to be, and takes no more steps.
        longest: of a task's gradient; a longer one is shortened to it (Pascanu et al., 2013, arXiv:1211.5063), so that a rate
            which suits short vectors does not send longer ones ever farther away.
    """
    count = len(tasks[0])
    weights = {name: value.expand(count, *value.shape) for name, value in start.items()}
    taken = torch.zeros(count, dtype=torch.int64, device=tasks[0].device)
    slope = vmap(grad(loss), in_dims=(0,) * (1 + len(tasks)), randomness="same")
    with twice_differentiable():
        for _ in range(steps):
            slopes = slope(weights, *tasks)
            if first_order:
                slopes = {name: value.detach() for name, value in slopes.items()}
            length = _length(slopes)
            moves = length.detach() > tolerance  # no gradient flows through the decision to stop
            stride = rate * moves if math.isinf(longest) else rate * moves * (longest / length.clamp(min=longest))
            weights = {name: value - _times(stride, slopes[name]) for name, value in weights.items()}
            taken = taken + moves
    return Adapted(weights, taken)


def _length(slopes: Weights) -> Tensor:
    """Length of each task's gradient, [T]."""
    squares = torch.stack([value.flatten(1).square().sum(1) for value in slopes.values()]).sum(0)
    return squares.clamp(min=torch.finfo(squares.dtype).tiny).sqrt()  # the root has no slope at 0


def _times(stride: Tensor, slope: Tensor) -> Tensor:
    return slope * stride.view(-1, *(1,) * (slope.dim() - 1))
