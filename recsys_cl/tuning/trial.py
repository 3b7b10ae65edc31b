"""What a range needs to know of a trial, and what it answers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

Value = bool | int | float | str
"""What a setting can be tuned to."""


class Suggests(Protocol):
    """A trial that picks values; Optuna's ``Trial`` is one."""

    def suggest_float(self, name: str, low: float, high: float, *, log: bool = False) -> float:
        """A number in ``[low, high]``."""
        ...

    def suggest_int(self, name: str, low: int, high: int, *, log: bool = False) -> int:
        """A whole number in ``low .. high``."""
        ...

    def suggest_categorical(self, name: str, choices: Sequence[Value]) -> Value:
        """One of ``choices``."""
        ...


class Range(Protocol):
    """The values one setting may take; one kind is one file in ``ranges/``."""

    @property
    def ends(self) -> tuple[Value, ...]:
        """The extreme values: where they are valid settings, so are all between."""
        ...

    def __call__(self, trial: Suggests, name: str) -> Value:
        """The value of ``name`` in ``trial``."""
        ...

    def holds(self, value: object) -> bool:
        """Whether ``value`` could be the answer."""
        ...
