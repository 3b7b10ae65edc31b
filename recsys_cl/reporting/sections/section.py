"""One part of the page: what it is about, what it shows, or the line that says what is missing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from recsys_cl.reporting.charts.chart import Chart
from recsys_cl.reporting.table import Table


@dataclass(frozen=True, slots=True)
class Section:
    """A heading, a sentence on how to read it, charts and tables; ``missing`` stands alone where there are none."""

    id: str
    title: str
    lead: str = ""
    charts: Sequence[Chart | None] = ()
    tables: Sequence[Table] = ()
    missing: str = ""
    gaps: Sequence[str] = ()  # what else could stand here, and why it does not
    notes: Sequence[tuple[str, str]] = ()  # terms and what they mean, folded away
    charts_first: bool = True

    @property
    def drawn(self) -> list[Chart]:
        """The charts that there was something to draw for."""
        return [chart for chart in self.charts if chart is not None]

    @property
    def empty(self) -> bool:
        """Whether there is nothing to show."""
        return not self.drawn and not self.tables
