"""How trials ended, and which was best."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from recsys_cl.tuning.trial import Value

State = Literal["complete", "pruned", "failed"]


@dataclass(frozen=True, slots=True)
class Finished:
    """One trial that counts."""

    number: int
    state: State
    value: float | None  # of the metric; None unless complete
    values: Mapping[str, Value]
    facts: Mapping[str, Any] = field(default_factory=dict)  # what was told when it ended


def best(finished: Sequence[Finished]) -> Finished | None:
    """The complete trial with the largest value, of equals the first; None where none is complete."""
    complete = [trial for trial in finished if trial.value is not None]
    return max(complete, key=lambda trial: trial.value or 0.0, default=None)
