"""One of a few values without order: a view, a schedule, powers of two."""

from __future__ import annotations

from recsys_cl.core.errors import Refused
from recsys_cl.tuning.trial import Suggests, Value


class Choice:
    """One of ``values``, each as likely at first."""

    def __init__(self, values: tuple[Value, ...]) -> None:
        if not values or len(set(values)) < len(values):  # 1, 1.0 and true are the same to whoever looks one up
            raise Refused(f"values: must be different ones, at least one, got {list(values)}")
        self.ends = values

    def __call__(self, trial: Suggests, name: str) -> Value:
        """One of the values."""
        return trial.suggest_categorical(name, self.ends)

    def holds(self, value: object) -> bool:
        """Whether it is one of the values."""
        return any(type(value) is type(each) and value == each for each in self.ends)
