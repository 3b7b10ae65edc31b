"""Sums of loss terms stay on the device; the first step at which one is not finite stops training."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from recsys_cl.core.errors import Diverged, Refused
from recsys_cl.core.protocols import GRADIENT


class Tally:
    """Counts one epoch's terms without waiting for the device.

    The question "is all still finite?" is answered through one byte of host memory. On the CPU it is written at once,
    so the offending step itself is refused; an accelerator writes it behind its queue of work, so that reading
    it never waits and a bad step is noticed as soon as the device has passed it, at the end of the epoch at the latest.
    """

    def __init__(self, epoch: int) -> None:
        self._epoch = epoch
        self._steps = 0
        self._names: tuple[str, ...] = ()

    def add(self, terms: Mapping[str, Tensor]) -> None:
        """Count one step's terms, scalars.

        Raises:
            Diverged: a term of this step, or on accelerators of an earlier one, is not finite.
        """
        values = torch.stack([value.detach().double() for value in terms.values()])  # [T]
        if self._steps == 0:
            self._begin(terms, values)
        self._steps += 1
        fresh = ~values.isfinite() & (self._first_bad == 0)
        self._first_bad.masked_fill_(fresh, self._steps)
        self._sums += values
        self._alarm.copy_(self._first_bad.any(), non_blocking=True)
        if self._alarm.item():
            raise self._blame()

    def means(self) -> dict[str, float]:
        """Mean of each term over the epoch; the one place that waits for the device.

        Raises:
            Diverged: a term was not finite at some step.
            Refused: there was no step.
        """
        if self._steps == 0:
            raise Refused("there is nothing to train on: the epoch had no batch")
        means = (self._sums / self._steps).tolist()
        if bool(self._first_bad.any()):
            raise self._blame()
        return dict(zip(self._names, means, strict=True))

    def _begin(self, terms: Mapping[str, Tensor], values: Tensor) -> None:
        self._names = tuple(terms)
        self._sums = torch.zeros_like(values)
        self._first_bad = torch.zeros_like(values, dtype=torch.int64)
        self._alarm = torch.zeros((), dtype=torch.bool, pin_memory=values.is_cuda)

    def _blame(self) -> Diverged:
        """Name the term that went first: a bad step spoils the weights, and with them every later term."""
        first_bad = self._first_bad.tolist()
        steps = {name: step for name, step in zip(self._names, first_bad, strict=True) if step}
        name, step = min(steps.items(), key=lambda item: item[1])
        return Diverged(f"epoch {self._epoch}, step {step}: {_what(name)} is not finite; look at {self._key(name, step)}")

    def _key(self, name: str, step: int) -> str:
        """The setting most likely at fault: before the first update it cannot be the learning rate."""
        if self._epoch > 1 or step > 1:
            return "training.learning_rate"
        return "objectives" if name == GRADIENT else f"objectives.{name}"


def _what(name: str) -> str:
    return "the norm of the gradient" if name == GRADIENT else f"loss term '{name}'"
