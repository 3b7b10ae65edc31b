"""What the numbers stand on: events over time, the tail, the split, and whether anything drifted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from recsys_cl.reporting.charts.marks import Mark, marks
from recsys_cl.reporting.charts.periods import periods
from recsys_cl.reporting.charts.spans import spans
from recsys_cl.reporting.charts.tail import tail
from recsys_cl.reporting.evidence import Evidence
from recsys_cl.reporting.sections.section import Section
from recsys_cl.reporting.table import Table, simple


def data(evidence: Evidence, looks: Mapping[str, Mark]) -> Section:  # noqa: ARG001 - parts have marks of their own
    """Charts from the data report, then its tables."""
    report = evidence.data
    parts: Mapping[str, Any] = report.get("parts", {})
    own = marks(list(parts))
    popularity = [(int(rank), int(count)) for rank, count in report.get("popularity", ())]
    return Section(
        "data",
        "Data",
        "Vocabularies come from train alone. What only later parts know is cold: its users are counted and left out, its items "
        "count as misses.",
        [
            periods("Events over time, by part", report.get("periods", ()), list(parts), own, "events"),
            tail("Popularity of items", popularity, "interactions"),
            spans("The split in time", parts, own),
        ],
        [*_parts(parts), *_rows(report.get("rows")), *_drift(report.get("drift"))],
        missing="No data report came with these runs.",
    )


def _parts(parts: Mapping[str, Any]) -> list[Table]:
    if not parts:
        return []
    names = list(next(iter(parts.values())))
    heads = ["part", *(name.replace("_", " ") for name in names)]
    return [simple(heads, [[part, *map(counts.get, names)] for part, counts in parts.items()], "Parts")]


def _rows(rows: Mapping[str, Any] | None) -> list[Table]:
    plain = {name: value for name, value in (rows or {}).items() if isinstance(value, int | float | str)}
    return [simple(["step", "rows"], [[name.replace("_", " "), value] for name, value in plain.items()], "Rows")] if plain else []


def _drift(drift: Mapping[str, Any] | None) -> list[Table]:
    if not drift:
        return []
    rows = [[str(c["name"]), c.get("value"), c.get("threshold"), str(c["verdict"])] for c in drift.get("checks", ())]
    return [simple(["check", "value", "threshold", "verdict"], rows, f"Drift: {drift.get('verdict', 'unknown')}")]
