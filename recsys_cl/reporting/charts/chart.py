"""A finished drawing with its words and its table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from recsys_cl.reporting.charts.marks import Mark
from recsys_cl.reporting.table import Table


@dataclass(frozen=True, slots=True)
class Chart:
    """One drawing: a title, the SVG, what it says in a sentence, and the same values as a table."""

    title: str
    svg: str
    said: str
    table: Table
    legend: Sequence[tuple[str, Mark]] = ()
    note: str = ""
