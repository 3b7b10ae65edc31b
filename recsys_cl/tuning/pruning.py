"""A trial is given up from where validation is told, so that the loop never hears of a search."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Protocol


class Pruned(Exception):
    """This trial is not worth going on with."""

    def __init__(self, epoch: int) -> None:
        super().__init__(f"pruned after epoch {epoch}")
        self.epoch = epoch


class Reports(Protocol):
    """A trial that is told of its progress; Optuna's ``Trial`` is one."""

    def report(self, value: float, step: int) -> None:
        """Its score after an epoch."""
        ...

    def should_prune(self) -> bool:
        """Whether others were better at this point."""
        ...


class Pruning:
    """A tracker that reports each validation to its trial and raises `Pruned` where the trial is to be given up.

    Args:
        trial: who is told.
        metric: the validation metric it is judged by.
        last: the epoch after which there is nothing left to save by giving up.
        told: epochs that the trial knows of from a process that died.
    """

    def __init__(self, trial: Reports, metric: str, last: int, told: Collection[int] = ()) -> None:
        self._trial, self._metric, self._last = trial, f"valid/{metric}", last
        self._told, self._asked = set(told), max(told, default=0)

    def note(self, values: Mapping[str, str]) -> None:
        """Facts decide nothing."""

    def log(self, metrics: Mapping[str, float], step: int) -> None:
        """Report a validation, once each; an epoch without one is none of the trial's business."""
        if self._metric not in metrics:
            return
        if step not in self._told:  # a resumed training tells again what its story, replayed, has told
            self._told.add(step)
            self._trial.report(metrics[self._metric], step)
        if self._asked <= step < self._last and self._trial.should_prune():
            raise Pruned(step)
