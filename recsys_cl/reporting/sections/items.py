"""The map of items: do neighbours in the embedding have something in common?"""

from __future__ import annotations

from collections.abc import Mapping

from recsys_cl.reporting.charts.cloud import cloud
from recsys_cl.reporting.charts.marks import Mark
from recsys_cl.reporting.evidence import Evidence
from recsys_cl.reporting.sections.section import Section


def items(evidence: Evidence, looks: Mapping[str, Mark]) -> Section:  # noqa: ARG001 - one signature for all sections
    """One map a projection."""
    told = any(category for one in evidence.maps for _, _, category, _ in one.points)
    colours = "colours are the most frequent categories" if told else "of no item a category is known that could colour it"
    return Section(
        "items",
        "Map of items",
        f"Item vectors in two dimensions; {colours}. Nearness in a projection is a hint, no proof.",
        [cloud(one) for one in evidence.maps],
        missing="No item vectors were kept with these runs.",
    )
