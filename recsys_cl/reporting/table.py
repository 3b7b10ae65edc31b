"""A table as a value: what HTML and Markdown both draw."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from recsys_cl.reporting.text import ABSENT, figure, finite


@dataclass(frozen=True, slots=True)
class Cell:
    """One field: what is read, and what it is sorted by."""

    text: str
    key: float | str | None = None  # None: nothing to sort by, last in either direction
    below: str = ""  # a second, quieter line
    mark: str = ""  # "higher", "lower" or nothing
    best: bool = False


@dataclass(frozen=True, slots=True)
class Column:
    """A head: its name and, of metrics, the depth of the lists they read."""

    name: str
    depth: str = ""
    text: bool = False  # set to the left; numbers are set to the right
    means: str = ""  # longer, on hover


@dataclass(frozen=True, slots=True)
class Table:
    """Columns and rows of equal length; the first column names the row."""

    columns: Sequence[Column]
    rows: Sequence[Sequence[Cell]]
    caption: str = ""
    sortable: bool = False
    sorted_by: str = ""  # the column by whose falling values the rows stand
    depth: str = ""  # shown first, where columns have several

    @property
    def depths(self) -> list[str]:
        """Depths that the columns have, as listed."""
        return list(dict.fromkeys(column.depth for column in self.columns if column.depth))


def cell(value: object, form: str = ".4g") -> Cell:
    """A field that shows ``value``: numbers in one form, text as it is, a dash for what is missing or not finite."""
    if isinstance(value, Cell):
        return value
    if isinstance(value, int | float) and not isinstance(value, bool):
        return Cell(figure(value, form), value if finite(value) else None)
    return Cell(ABSENT) if value is None else Cell(str(value), str(value))


def simple(columns: Sequence[str], rows: Sequence[Sequence[object]], caption: str = "", *, sortable: bool = False) -> Table:
    """A table of plain values; a column is text where its first value is."""
    heads = [Column(name, text=any(isinstance(row[i], str) for row in rows)) for i, name in enumerate(columns)]
    forms = [form([row[i] for row in rows]) for i in range(len(columns))]
    return Table(heads, [[cell(value, one) for value, one in zip(row, forms, strict=True)] for row in rows], caption, sortable)


def form(values: Sequence[object]) -> str:
    """One format for a column of numbers, so that their digits stand under each other: about four that matter."""
    known = [abs(value) for value in values if isinstance(value, int | float) and finite(value)]
    if all(isinstance(value, int) for value in known):
        return ",.0f"
    if 0 < max(known) < 1e-3:
        return ".2e"
    return f",.{4 if (top := max(known)) < 1 else max(0, 4 - len(str(int(top))))}f"
