"""How tasks descend from one start: rate, bounds, and what is made of where they end."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn

from recsys_cl.core.errors import Refused
from recsys_cl.methods._inner import Kind
from recsys_cl.ops.adapt import Adapted, Weights, adapt

Algorithm = Literal["maml", "anil", "reptile", "prototype"]


class Learned(NamedTuple):
    """T tasks after their supports."""

    items: Tensor  # [I, D]
    vectors: Tensor  # [T, L, D]
    steps: Tensor  # [T]
    drawn: Tensor | None = None  # what draws the start to where the tasks ended


class Descent(nn.Module):
    """Gradient descent of all tasks at once (``ops/adapt.py``), at a rate that may be learned with everything else."""

    def __init__(self, rate: float, *, learned: bool, first_order: bool, tolerance: float, longest: float) -> None:
        super().__init__()
        self.first_order, self.tolerance, self.longest = first_order, tolerance, longest
        self.begins_at = rate
        self.log_rate = nn.Parameter(torch.tensor(math.log(rate))) if learned else None

    @property
    def rate(self) -> float | Tensor:
        """The inner rate, as it is now."""
        return self.begins_at if self.log_rate is None else self.log_rate.exp()

    def forward(self, loss: Callable[..., Tensor], start: Weights, tasks: tuple[Tensor, ...], steps: int) -> Adapted:
        """Where each task ends after ``steps`` at most, and how many it took."""
        bounds = {"tolerance": self.tolerance, "longest": self.longest}
        return adapt(loss, start, tasks, rate=self.rate, steps=steps, first_order=self.first_order, **bounds)

    def draws(self, start: Weights, own: Weights) -> Tensor:
        """Half the squared distance from where tasks ended to the start, over the rate, their mean; draws the start alone."""
        far = [(start[name] - value.detach()).square().flatten(1).sum(1) for name, value in own.items()]
        return torch.stack(far).sum(0).mean() / 2 / self.begins_at


def refuse(algorithm: Algorithm, head: Kind, *, learn_rate: bool, views: bool) -> None:
    """Refuse settings of ``meta`` that do not go together.

    Raises:
        Refused: they do not; the message begins with the key.
    """
    if views:
        raise Refused("views: 'meta' contrasts what a task is asked for with all else, and reads no views")
    if algorithm == "anil" and head == "none":
        raise Refused("method.head: 'anil' adapts the head alone, and there is none; choose 'shift' or 'affine'")
    if learn_rate and algorithm in ("reptile", "prototype"):
        raise Refused(f"method.learn_rate: '{algorithm}' does not differentiate through its steps, so no rate can be learned")
