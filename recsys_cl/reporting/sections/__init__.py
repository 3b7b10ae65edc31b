"""The parts of the page, one file each, in the order in which they are read."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from recsys_cl.reporting.charts.marks import Mark
from recsys_cl.reporting.evidence import Evidence
from recsys_cl.reporting.sections.audit import audit
from recsys_cl.reporting.sections.beyond import beyond
from recsys_cl.reporting.sections.data import data
from recsys_cl.reporting.sections.items import items
from recsys_cl.reporting.sections.learning import learning
from recsys_cl.reporting.sections.protocols import protocols
from recsys_cl.reporting.sections.representation import representation
from recsys_cl.reporting.sections.results import results
from recsys_cl.reporting.sections.section import Section
from recsys_cl.reporting.sections.segments import segments

ORDER: tuple[Callable[[Evidence, Mapping[str, Mark]], Section], ...] = (
    results,
    segments,
    beyond,
    learning,
    items,
    representation,
    protocols,
    data,
    audit,
)
"""Examples, recipes and provenance follow; they are lists rather than tables and charts, and live in the template."""
