"""A real number whose magnitude is unknown: learning rates, weights of losses, temperatures."""

from __future__ import annotations

from recsys_cl.core.errors import Refused
from recsys_cl.tuning.trial import Suggests


class LogUniform:
    """Uniform in the logarithm between ``low`` > 0 and ``high``."""

    def __init__(self, low: float, high: float) -> None:
        if not 0 < low < high < float("inf"):
            raise Refused(f"low, high: must be 0 < low < high, got {low} and {high}")
        self.ends = (low, high)

    def __call__(self, trial: Suggests, name: str) -> float:
        """A number in ``[low, high]``."""
        return trial.suggest_float(name, *self.ends, log=True)

    def holds(self, value: object) -> bool:
        """Whether it is a number in ``[low, high]``."""
        return isinstance(value, int | float) and self.ends[0] <= value <= self.ends[1]
