"""What a report shows, as plain values: gathered from artifacts by the report stage, drawn by nobody else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Trial:
    """One experiment: what was trained and how well it ranks the test part."""

    name: str
    title: str
    paper: str
    family: str
    epochs: int
    seconds: float
    parameters: int
    valid: Mapping[str, float]
    test: Mapping[str, float]
    history: Sequence[Mapping[str, float]]  # one record an epoch: "step" and the metrics logged at it
    settings: Mapping[str, Any]

    @property
    def learnt(self) -> bool:
        """Whether anything was trained; what was not is a baseline."""
        return self.parameters > 0


@dataclass(frozen=True, slots=True)
class Comparison:
    """A paired difference over users: ``mean`` of ``trial - baseline`` with its 95 % interval."""

    metric: str
    trial: str
    baseline: str
    mean: float
    low: float
    high: float
    relative: float  # mean difference / baseline mean
    users: int


@dataclass(frozen=True, slots=True)
class Example:
    """One user: what they met last and what each experiment puts first; texts, newest and best first."""

    user: str
    met: Sequence[str]
    tops: Mapping[str, Sequence[tuple[str, bool]]]  # experiment -> (item text, was it held out)


@dataclass(frozen=True, slots=True)
class Evidence:
    """Everything on the page."""

    pipeline: str
    metric: str  # the one that validation selected on
    trials: Sequence[Trial]
    comparison: Comparison | None
    data: Mapping[str, Any]  # the data report of the prepare stage
    examples: Sequence[Example]
    facts: Mapping[str, str]  # provenance: digests, versions, seed, commands
    conventions: Mapping[str, str]  # metric -> how it is defined here

    def headline(self) -> str:
        """The one honest sentence."""
        c = self.comparison
        if c is None:
            return "No learnt recipe and baseline to compare."
        said = f"{c.mean:+.4f} [{c.low:+.4f}, {c.high:+.4f}] {c.metric}, paired over {c.users:,} users"
        if c.low > 0:
            return f"{c.trial} beats the best baseline, {c.baseline}, by {c.relative:+.1%}: {said}."
        if c.high < 0:
            return f"No recipe beats {c.baseline} here; {c.trial}, the best on validation, is behind: {said}."
        return f"{c.trial} cannot be told from the baseline {c.baseline}: {said}."
