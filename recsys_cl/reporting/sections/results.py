"""Every recipe by every metric on the test part, against the best baseline."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from recsys_cl.reporting.charts.chart import Chart
from recsys_cl.reporting.charts.lines import lines
from recsys_cl.reporting.charts.marks import Mark
from recsys_cl.reporting.charts.whiskers import whiskers
from recsys_cl.reporting.evidence import Evidence, Trial
from recsys_cl.reporting.sections.section import Section
from recsys_cl.reporting.table import Cell, Column, Table
from recsys_cl.reporting.text import ABSENT, between, duration, figure, finite


def results(evidence: Evidence, looks: Mapping[str, Mark]) -> Section:
    """Means with intervals and marks, and the differences that carry the headline."""
    compared = evidence.comparison
    lead = f"Exact ranking of {evidence.ranked} for every user of the test part; recipes and epochs were chosen on validation. "
    lead += budget(evidence.trials) + preferences(evidence)
    if compared and compared.baseline:
        lead += (
            f" Below each mean, its 95 % interval over users. ▲ higher and ▼ lower than the best baseline, "
            f"{compared.baseline}, at 5 % after Holm's correction for the whole table; without a mark the difference cannot "
            "be told from chance. "
            "The best of a column is in bold, where it is settled which way is better."
        )
        untested = _untested(evidence)
        lead += (
            f" One number of all lists together, which no test over users compares: {', '.join(untested)}." if untested else ""
        )
    return Section(
        "results",
        "Results",
        lead,
        [_differences(evidence), _recall(evidence, looks)],
        [table(evidence)],
        gaps=()
        if any(t.recall for t in evidence.trials)
        else ("Recall at every depth: no ranked lists were kept with these runs.",),
        notes=list(evidence.conventions.items()),
        charts_first=False,
    )


def _untested(evidence: Evidence) -> list[str]:
    """Metrics of which nobody has an interval."""
    known = {name for trial in evidence.trials for name in trial.intervals}
    return list(dict.fromkeys(name.partition("@")[0] for name in evidence.metrics if known and name not in known))


def _differences(evidence: Evidence) -> Chart | None:
    compared = evidence.comparison
    if compared is None or compared.baseline is None:
        return None
    own = [d for d in compared.differences if d.metric == evidence.metric and d.recipe != compared.baseline]
    return whiskers(f"Difference to {compared.baseline}, {evidence.metric}", own, compared.baseline)


def _recall(evidence: Evidence, looks: Mapping[str, Mark]) -> Chart | None:
    series = {t.name: [(float(k), value) for k, value in enumerate(t.recall, 1)] for t in evidence.trials if t.recall}
    return lines("Recall by length of the list", series, looks, "k", "recall@k")


def table(evidence: Evidence) -> Table:
    """The recipes by falling value of the selecting metric, metrics in their listed order, then what training cost."""
    metrics = evidence.metrics
    best = {m: _best(evidence, m) for m in metrics}
    columns = [Column("recipe", text=True)]
    columns += [Column(m.partition("@")[0], m.partition("@")[2], means=m) for m in metrics]
    columns += [Column("trials", means="settings that a search tried on validation"), Column("epochs"), Column("training")]
    ordered = sorted(evidence.trials, key=lambda t: t.test.get(evidence.metric, float("-inf")), reverse=True)
    rows = [_row(trial, evidence, best) for trial in ordered]
    return Table(columns, rows, sortable=True, sorted_by=evidence.metric, depth=evidence.depth)


def _best(evidence: Evidence, metric: str) -> float | None:
    """The best value of a metric; None: nobody has one, or it is undecided which way is better."""
    values, larger = (
        [t.test[metric] for t in evidence.trials if finite(t.test.get(metric))],
        evidence.larger_is_better.get(metric),
    )
    if larger is None or not values:
        return None
    return max(values) if larger else min(values)


def _row(trial: Trial, evidence: Evidence, best: Mapping[str, float | None]) -> list[Cell]:
    compared = evidence.comparison
    best_one, others = (compared.baseline, compared.baselines) if compared else (None, ())
    below = "best baseline" if trial.name == best_one else "baseline" if trial.name in others else trial.family
    cells = [Cell(trial.name, trial.name, below)]
    for metric in evidence.metrics:
        value = trial.test.get(metric)
        found = compared.of(trial.name, metric) if compared else None
        low, high = trial.intervals.get(metric, (None, None))
        interval = between(low, high) if finite(low) and finite(high) else ""
        known = finite(value)
        cells.append(
            Cell(
                figure(value), value if known else None, interval, found.mark if found else "", known and value == best[metric]
            )
        )
    spent = Cell(duration(trial.seconds), trial.seconds) if trial.seconds else Cell(ABSENT)
    counts = [Cell(str(count), count) if count else Cell(ABSENT) for count in (trial.searched, trial.epochs)]
    return [*cells, *counts, spent]


def preferences(evidence: Evidence) -> str:
    """Whom validation prefers for the headline, and whom for the registry, where these are two."""
    baselines = evidence.comparison.baselines if evidence.comparison else ()
    ours, learnt = (
        max((t for t in some if evidence.metric in t.valid), key=lambda t: t.valid[evidence.metric], default=None)
        for some in ([t for t in evidence.trials if t.name not in baselines], [t for t in evidence.trials if t.learnt])
    )
    if ours is None or learnt is None or ours.name == learnt.name:
        return ""
    return (
        f" The headline is about {ours.name}: of what is no baseline, validation prefers it. Of all that learns, baselines too,"
        f" it prefers {learnt.name}, and that is registered unless registry.experiment names another."
    )


def budget(trials: Sequence[Trial]) -> str:
    """How settings were found: with one budget for all that were searched for, with several, or not at all."""
    if all(trial.searched is None for trial in trials):
        return "Whether settings were searched for is not on record."
    counts = sorted({trial.searched for trial in trials if trial.searched})
    if not counts:
        return "No settings were searched for: every recipe stands as it is written."
    as_written = [trial.name for trial in trials if not trial.searched]
    which = f"; {', '.join(as_written)} as written" if as_written else ""
    if len(counts) > 1:
        return f"Settings were searched for on validation with unequal budgets, {counts[0]} to {counts[-1]} trials{which}."
    return f"Settings were searched for on validation, {counts[0]} trials each{which}."
