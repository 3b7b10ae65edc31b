"""How training went: the validation metric and every loss term, over epochs."""

from __future__ import annotations

from collections.abc import Mapping

from recsys_cl.reporting.charts.lines import Points, lines
from recsys_cl.reporting.charts.marks import Mark
from recsys_cl.reporting.evidence import Evidence, Trial
from recsys_cl.reporting.sections.section import Section

HIDDEN = frozenset({"gradient"})
"""Logged beside the loss terms, but none of them."""


def learning(evidence: Evidence, looks: Mapping[str, Mark]) -> Section:
    """One chart for validation, and one a loss term with a line for each recipe that has it."""
    valid = {t.name: _points(t, f"valid/{evidence.metric}") for t in evidence.trials}
    terms = dict.fromkeys(key for t in evidence.trials for r in t.history for key in r if key.startswith("loss/"))
    charts = [lines(f"{evidence.metric} on validation", valid, looks, "epoch", evidence.metric)]
    for key in terms:
        name = key.removeprefix("loss/")
        if name not in HIDDEN:
            series = {t.name: _points(t, key) for t in evidence.trials}
            charts.append(lines(f"Loss term {name}", series, looks, "epoch", "weighted loss"))
    return Section(
        "learning",
        "Learning",
        "Validation decided which epoch is kept. Loss terms carry their weights, so heights compare within a recipe.",
        charts,
        missing="Nothing was trained over epochs.",
    )


def _points(trial: Trial, key: str) -> Points:
    return [(record["step"], record[key]) for record in trial.history if key in record]
