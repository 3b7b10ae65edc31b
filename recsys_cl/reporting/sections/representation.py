"""What the vectors are like, whatever the metrics say."""

from __future__ import annotations

from collections.abc import Mapping

from recsys_cl.reporting.charts.marks import Mark
from recsys_cl.reporting.evidence import Evidence
from recsys_cl.reporting.sections.section import Section
from recsys_cl.reporting.table import simple


def representation(evidence: Evidence, looks: Mapping[str, Mark]) -> Section:  # noqa: ARG001 - one signature for all sections
    """One row a recipe, one column a measure."""
    measured = [t for t in evidence.trials if t.representation]
    names = list(dict.fromkeys(name for t in measured for name in t.representation))
    rows = [[t.name, *(t.representation.get(name) for name in names)] for t in measured]
    heads = ["recipe", *(name.replace("_", " ") for name in names)]
    return Section(
        "representation",
        "Representation",
        "Alignment: distance of partners, smaller is closer. Uniformity: smaller is more even. Effective rank: dimensions "
        "in use.",
        tables=[simple(heads, rows, sortable=True)] if measured else [],
        missing="The representation was not measured.",
    )
