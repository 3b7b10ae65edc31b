"""A whole number: sizes, layers, neighbours."""

from __future__ import annotations

from recsys_cl.core.errors import Refused
from recsys_cl.tuning.trial import Suggests


class Integer:
    """Uniform over ``low .. high``, both included; with ``log`` uniform in the logarithm."""

    def __init__(self, low: int, high: int, *, log: bool = False) -> None:
        if not low < high:
            raise Refused(f"low, high: must be low < high, got {low} and {high}")
        if log and low < 1:
            raise Refused(f"low: must be at least 1 on a logarithmic scale, got {low}")
        self.ends, self.log = (low, high), log

    def __call__(self, trial: Suggests, name: str) -> int:
        """A whole number in ``low .. high``."""
        return trial.suggest_int(name, *self.ends, log=self.log)

    def holds(self, value: object) -> bool:
        """Whether it is a whole number in ``low .. high``."""
        return isinstance(value, int) and self.ends[0] <= value <= self.ends[1]
