"""What the numbers stand on: events over time, the tail, the split, and whether anything drifted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from recsys_cl.reporting.charts.bars import bars
from recsys_cl.reporting.charts.chart import Chart
from recsys_cl.reporting.charts.marks import Mark, marks
from recsys_cl.reporting.charts.periods import periods
from recsys_cl.reporting.charts.spans import spans
from recsys_cl.reporting.charts.tail import tail
from recsys_cl.reporting.evidence import Evidence
from recsys_cl.reporting.sections.section import Section
from recsys_cl.reporting.table import Table, simple

PARTS = ("train", "valid", "test")
COUNTS = ("interactions", "users", "items", "of_cold_users", "of_cold_items", "tied", "first", "last")
"""Of a part, in the order in which they are read."""

STEPS = ("logged", "other_events", "below_min_rating", "positive", "repeats", "outside_core")
"""Of preparation: what was logged, and what each step removed or left."""


UNCLOCKED = "1970-02"
"""Logs without times count each user's events from the beginning of 1970 on; no log of anything is that old."""
NO_CLOCK = "This log has no times, only the order of each user's events: there is nothing to draw over time."
NO_DRIFT = "Drift is measured between two versions of a data set; this log is the first, or none (recsys-cl ingest --out)."


def data(evidence: Evidence, looks: Mapping[str, Mark]) -> Section:  # noqa: ARG001 - parts have marks of their own
    """Charts from the data report, then its tables."""
    report = evidence.data
    parts = {name: report["parts"][name] for name in PARTS if name in report.get("parts", {})}
    own = marks(list(parts))
    clock = any(str(part.get("last") or "") > UNCLOCKED for part in parts.values())
    popularity = [(int(rank), int(count)) for rank, count in report.get("popularity", ())]
    return Section(
        "data",
        "Data",
        "Vocabularies come from train alone. What only later parts know is cold: its users are counted and left out, its items "
        "count as misses. Tied is what was met at the very instant of another: the order of the log decides.",
        [
            periods("Events over time, by part", report.get("periods", ()), list(parts), own, "events") if clock else None,
            tail("Popularity of items", popularity, "interactions"),
            spans("The split in time", parts, own) if clock else None,
            _activity(report.get("user_activity", {}).get("histogram", ())),
        ],
        [*_parts(parts, clock=clock), *_rows(report.get("rows")), *_drift(report.get("drift"))],
        gaps=[*([] if clock else [NO_CLOCK]), *([] if _drift(report.get("drift")) else [NO_DRIFT])],
        missing="No data report came with these runs.",
    )


def _activity(histogram: Sequence[Mapping[str, Any]]) -> Chart | None:
    """How many users met how many items, by powers of two."""
    if not histogram:
        return None
    groups, counts = [f"{bar['from']:,}" for bar in histogram], {"users": [bar["count"] for bar in histogram]}
    title = "Users by number of interactions in train"
    return bars(title, groups, counts, marks(["users"]), "users", "interactions, from … to twice as many")


def _parts(parts: Mapping[str, Any], *, clock: bool) -> list[Table]:
    if not parts:
        return []
    names = [name for name in COUNTS if name in next(iter(parts.values())) and (clock or name not in ("first", "last"))]
    heads = ["part", *(name.replace("_", " ") for name in names)]
    rows = [[part, *(_short(counts.get(name)) for name in names)] for part, counts in parts.items()]
    return [simple(heads, rows, "Parts")]


def _short(value: Any) -> Any:
    """A time to the minute; the rest as it is."""
    return value[:16].replace("T", " ") if isinstance(value, str) else value


def _rows(rows: Mapping[str, Any] | None) -> list[Table]:
    known = {name: (rows or {})[name] for name in STEPS if name in (rows or {})}
    return (
        [simple(["step", "rows"], [[name.replace("_", " "), value] for name, value in known.items()], "Rows")] if known else []
    )


def _drift(drift: Mapping[str, Any] | None) -> list[Table]:
    if not drift:
        return []
    heads = ["check", "value", "warning above", "drift above", "verdict"]
    checks = drift.get("checks", ())
    rows = [[_named(one), *map(one.get, ("value", "warning", "threshold")), str(one["verdict"])] for one in checks]
    return [simple(heads, rows, f"Drift: {drift.get('verdict', 'unknown')}")] if rows else []


def _named(check: Mapping[str, Any]) -> str:
    return str(check["name"]).replace("_", " ")
