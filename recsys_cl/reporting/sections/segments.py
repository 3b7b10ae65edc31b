"""For whom and for which items a recipe is good: the same metric, by segment."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from recsys_cl.reporting.charts.bars import bars
from recsys_cl.reporting.charts.chart import Chart
from recsys_cl.reporting.charts.lines import lines
from recsys_cl.reporting.charts.marks import Mark
from recsys_cl.reporting.evidence import Evidence, Trial
from recsys_cl.reporting.sections.section import Section
from recsys_cl.reporting.table import Cell, Table, simple
from recsys_cl.reporting.text import finite, percent


def segments(evidence: Evidence, looks: Mapping[str, Mark]) -> Section:
    """One chart for each way of dividing users or held-out items that finds something in more than one segment."""
    measured = [trial for trial in evidence.trials if trial.segments]
    ways = list(dict.fromkeys(str(row["by"]) for trial in measured for row in trial.segments))
    return Section(
        "segments",
        "Segments",
        f"{evidence.metric} where users or held-out items are divided. Small segments carry little weight and much noise: "
        "their sizes are in the table below.",
        [*(_chart(way, measured, evidence.metric, looks) for way in ways), _strangers(evidence, looks)],
        [_sizes(measured, evidence.metric)] if measured else [],
        missing="No segments were measured.",
    )


def _chart(way: str, measured: list[Trial], metric: str, looks: Mapping[str, Mark]) -> Chart | None:
    found = {
        trial.name: {str(row["segment"]): _value(row, "metrics", metric) for row in trial.segments if str(row["by"]) == way}
        for trial in measured
    }
    listed = dict.fromkeys(name for own in found.values() for name in own)
    names = [name for name in listed if any(own.get(name) for own in found.values())]
    if len(names) < 2:
        return None
    heights = {trial: [own.get(name) for name in names] for trial, own in found.items()}
    return bars(f"By {way.replace('_', ' ')}", names, heights, looks, metric)


def _strangers(evidence: Evidence, looks: Mapping[str, Mark]) -> Chart | None:
    """People of whom nothing was in train, by how many items they are known."""
    told = {
        trial.name: [(float(shots), values[evidence.metric]) for shots, values in sorted(trial.strangers.items())]
        for trial in evidence.trials
        if all(evidence.metric in values for values in trial.strangers.values())
    }
    return lines("Strangers, by how many items are known of them", told, looks, "items", evidence.metric)


def _sizes(measured: list[Trial], metric: str) -> Table:
    """Sizes of all segments, and what each contributes to the mean of the recipe that leads."""
    best = max(measured, key=lambda trial: trial.test.get(metric, 0.0))
    whole = best.test.get(metric)
    rows = []
    for row in best.segments:
        share = _value(row, "share", metric)
        part = share / whole if share is not None and whole else None
        names = [str(row["by"]).replace("_", " "), str(row["segment"])]
        rows.append([*names, row["users"], row["held_out"], Cell(percent(part), part)])
    return simple(["by", "segment", "users", "held out", "share"], rows, f"Sizes, and share of {metric} of {best.name}")


def _value(row: Mapping[str, Any], kind: str, metric: str) -> float | None:
    value = row.get(kind, {}).get(metric)
    return value if finite(value) else None
