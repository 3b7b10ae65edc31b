"""A real number of known magnitude: rates of dropout and of augmentation."""

from __future__ import annotations

from recsys_cl.core.errors import Refused
from recsys_cl.tuning.trial import Suggests


class Uniform:
    """Uniform between ``low`` and ``high``."""

    def __init__(self, low: float, high: float) -> None:
        if not float("-inf") < low < high < float("inf"):
            raise Refused(f"low, high: must be finite and low < high, got {low} and {high}")
        self.ends = (low, high)

    def __call__(self, trial: Suggests, name: str) -> float:
        """A number in ``[low, high]``."""
        return trial.suggest_float(name, *self.ends)

    def holds(self, value: object) -> bool:
        """Whether it is a number in ``[low, high]``."""
        return isinstance(value, int | float) and self.ends[0] <= value <= self.ends[1]
