"""What a report shows, as plain values: gathered from artifacts by the report stage, drawn by nobody else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Trial:
    """One experiment: what was trained and how well it ranks the test part."""

    name: str
    title: str
    test: Mapping[str, float]
    paper: str = ""
    family: str = ""
    epochs: int = 0
    seconds: float = 0.0
    parameters: int = 0
    valid: Mapping[str, float] = field(default_factory=dict)
    history: Sequence[Mapping[str, float]] = ()  # one record an epoch: "step" and the metrics logged at it
    settings: Mapping[str, Any] = field(default_factory=dict)
    searched: int | None = None  # trials of the search that found the settings; 0: they stand as written; None: not known
    intervals: Mapping[str, tuple[float, float]] = field(default_factory=dict)  # metric -> 95 % interval of its mean
    recall: Sequence[float] = ()  # at depths 1, 2, …
    popularity: float | None = None  # mean number of training interactions of what it recommends
    segments: Sequence[Mapping[str, Any]] = ()  # by, segment, users, held_out, share, metrics
    representation: Mapping[str, float] = field(default_factory=dict)
    strangers: Mapping[int, Mapping[str, float]] = field(default_factory=dict)  # the metrics by how many items they are known

    @property
    def learnt(self) -> bool:
        """Whether anything was trained; what was not is a baseline."""
        return self.parameters > 0


@dataclass(frozen=True, slots=True)
class Difference:
    """A paired difference over users: ``mean`` of ``recipe - baseline`` with its 95 % interval."""

    recipe: str
    metric: str
    mean: float
    low: float
    high: float
    relative: float | None  # to the baseline's mean; None where that is 0
    p: float  # corrected for all that stand in the table
    effect: float | None  # Cohen's d_z
    reliable: bool  # whether there were users enough for an interval
    mark: str  # "higher", "lower", or nothing where it cannot be told from chance


@dataclass(frozen=True, slots=True)
class Comparison:
    """Every recipe against the best baseline, and what follows from it."""

    headline: str  # the one honest sentence
    baseline: str | None  # the best of them
    baselines: Sequence[str]
    users: int
    differences: Sequence[Difference]

    def of(self, recipe: str, metric: str) -> Difference | None:
        """The difference of one recipe in one metric, where it was taken."""
        return next((d for d in self.differences if (d.recipe, d.metric) == (recipe, metric)), None)


@dataclass(frozen=True, slots=True)
class Example:
    """One user: what they met last and what each experiment puts first; texts, newest and best first."""

    user: str
    met: Sequence[str]
    tops: Mapping[str, Sequence[tuple[str, bool]]]  # experiment -> (item text, was it held out)

    @property
    def hits(self) -> int:
        """How many of all items shown were held out."""
        return sum(hit for top in self.tops.values() for _, hit in top)


@dataclass(frozen=True, slots=True)
class ItemMap:
    """Item vectors of one experiment in two dimensions."""

    recipe: str
    method: str
    note: str
    points: Sequence[tuple[float, float, str, str]]  # across, up, category, title


@dataclass(frozen=True, slots=True)
class Evidence:
    """Everything on the page. What is empty or None was not measured, and its section says so."""

    pipeline: str
    metric: str  # the one that validation selected on
    trials: Sequence[Trial]
    comparison: Comparison | None = None
    counts: Mapping[str, Any] = field(default_factory=dict)  # users, held_out, cold ones, outside candidates, openings
    data: Mapping[str, Any] = field(default_factory=dict)  # the data report of the prepare stage
    examples: Sequence[Example] = ()
    maps: Sequence[ItemMap] = ()
    audit: Mapping[str, Any] | None = None
    protocols: Mapping[str, Any] | None = None
    facts: Mapping[str, str] = field(default_factory=dict)  # provenance: digests, versions, seed
    commands: Sequence[str] = ()  # what makes this page again
    conventions: Mapping[str, str] = field(default_factory=dict)  # metric -> how it is defined here
    larger_is_better: Mapping[str, bool | None] = field(default_factory=dict)  # metric -> whether more is; undecided: neither

    @property
    def headline(self) -> str:
        """The one honest sentence."""
        return (
            self.comparison.headline if self.comparison else "Nothing is claimed: there is no recipe and baseline to compare."
        )

    @property
    def ranked(self) -> str:
        """What stood in every ranking: the whole catalogue, or which items of it."""
        if self.counts.get("outside_candidates") is None:
            return "the whole catalogue"
        return f"the candidates ({self.conventions.get('candidates', 'some of the items')})"

    @property
    def leak(self) -> bool:
        """Whether the audit says that training knew something of the test part."""
        return self.audit is not None and self.audit.get("verdict") == "leak"

    @property
    def metrics(self) -> list[str]:
        """Names in the order of the first trial that has each."""
        return list(dict.fromkeys(name for trial in self.trials for name in trial.test))

    @property
    def depth(self) -> str:
        """How long the lists are that the selecting metric reads, as text."""
        return self.metric.partition("@")[2]

    def at(self, kind: str) -> str:
        """Another metric at the same depth: ``at("coverage")`` is ``coverage@20``."""
        return f"{kind}@{self.depth}"
