"""For whom and for which items a recipe is good: the same metric, by segment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from recsys_cl.reporting.charts.bars import bars
from recsys_cl.reporting.charts.chart import Chart
from recsys_cl.reporting.charts.marks import Mark
from recsys_cl.reporting.evidence import Evidence
from recsys_cl.reporting.sections.section import Section
from recsys_cl.reporting.table import Table, simple
from recsys_cl.reporting.text import percent


def segments(evidence: Evidence, looks: Mapping[str, Mark]) -> Section:
    """One chart for each way of dividing users or items."""
    first: Sequence[Mapping[str, Any]] = next((t.segments for t in evidence.trials if t.segments), ())
    ways = list(dict.fromkeys(str(row["by"]) for row in first))
    return Section(
        "segments",
        "Segments",
        f"{evidence.metric} where users or held-out items are divided. Small segments carry little weight and much noise: "
        "their sizes are in the table below.",
        [_chart(way, evidence, looks) for way in ways],
        [_sizes(first)] if first else [],
        missing="No segments were measured.",
    )


def _chart(way: str, evidence: Evidence, looks: Mapping[str, Mark]) -> Chart | None:
    names: list[str] = list(
        dict.fromkeys(str(row["segment"]) for t in evidence.trials for row in t.segments if str(row["by"]) == way)
    )
    heights = {}
    for trial in evidence.trials:
        own = {str(row["segment"]): row["metrics"].get(evidence.metric) for row in trial.segments if str(row["by"]) == way}
        if own:
            heights[trial.name] = [own.get(name) for name in names]
    return bars(f"By {way.replace('_', ' ')}", names, heights, looks, evidence.metric)


def _sizes(rows: Sequence[Mapping[str, Any]]) -> Table:
    return simple(
        ["by", "segment", "users", "held out", "share"],
        [[str(r["by"]).replace("_", " "), str(r["segment"]), r["users"], r["held_out"], percent(r.get("share"))] for r in rows],
        "Size of the segments",
    )
