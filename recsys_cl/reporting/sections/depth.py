"""How recall grows with the length of the list."""

from __future__ import annotations

from collections.abc import Mapping

from recsys_cl.reporting.charts.lines import lines
from recsys_cl.reporting.charts.marks import Mark
from recsys_cl.reporting.evidence import Evidence
from recsys_cl.reporting.sections.section import Section


def depth(evidence: Evidence, looks: Mapping[str, Mark]) -> Section:
    """Recall at every depth that was ranked."""
    series = {t.name: [(float(k), value) for k, value in enumerate(t.recall, 1)] for t in evidence.trials if t.recall}
    return Section(
        "depth",
        "Recall by depth",
        "The share of held-out items found among the first k of each list, on average over users.",
        [lines("Recall by length of the list", series, looks, "k", "recall@k")],
        missing="No ranked lists were kept with these runs, so recall is known at the depths of the table only.",
    )
