"""A table as a value: what HTML and Markdown both draw."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from recsys_cl.reporting.text import compact, finite


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


def cell(value: object) -> Cell:
    """A field that shows ``value`` as it is."""
    if isinstance(value, Cell):
        return value
    if isinstance(value, int | float) and not isinstance(value, bool):
        return Cell(compact(value), value if finite(value) else None)
    return Cell(compact(value), None if value is None else str(value))


def simple(columns: Sequence[str], rows: Sequence[Sequence[object]], caption: str = "", *, sortable: bool = False) -> Table:
    """A table of plain values; a column is text where its first value is."""
    heads = [Column(name, text=any(isinstance(row[i], str) for row in rows)) for i, name in enumerate(columns)]
    return Table(heads, [[cell(value) for value in row] for row in rows], caption, sortable)
