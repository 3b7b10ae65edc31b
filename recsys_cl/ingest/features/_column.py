"""A column of the item table, and what a kind of content makes of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from recsys_cl.core.errors import Refused, nearest

Learned = Mapping[str, pa.Array]
"""What a kind of content learned of the items that somebody met, such as their mean; all others are read by it."""


SHAPE = b"shape"
"""Where a prepared column says what its rows are: JSON in the field's metadata."""
WIDTH = b"width"
"""Where one that may be empty says how many numbers a row would have."""


class Known(NamedTuple):
    """One modality: a vector for each item that has it."""

    values: NDArray[np.float32]  # [I, D]; rows that are not present mean nothing
    present: NDArray[np.bool_]  # [I]
    shape: tuple[int, ...] = ()  # of a row; see `Modality`


def column(items: pa.Table, name: str, modality: str) -> pa.Array:
    """The column ``name`` of the vocabulary's item table.

    Raises:
        Refused: there is none, or no item has a value in it.
    """
    key = f"prepare.features.{modality}"
    if name not in items.column_names:
        raise Refused(f"{key}: the item table has no column '{name}'; {nearest(name, items.column_names)}")
    values = items.column(name).combine_chunks()
    if values.null_count == len(values):
        raise Refused(f"{key}: column '{name}' is empty for every item of the vocabulary")
    return values


def column_to_read(items: pa.Table, name: str, kind: pa.DataType) -> pa.Array:
    """The column ``name``, null for every item where the table has none: of new items less may be known."""
    if name not in items.column_names or items.column(name).null_count == len(items):
        return pa.nulls(len(items), kind)
    return items.column(name).combine_chunks()


def texts(items: pa.Table, names: Sequence[str], modality: str) -> list[str]:
    """The texts of each item in ``names``, joined; lists of text too. Empty where all are missing."""
    for name in names:
        column(items, name, modality)
    return texts_to_read(items, names)


def texts_to_read(items: pa.Table, names: Sequence[str]) -> list[str]:
    """The same where a column may be missing."""
    rows = zip(*(column_to_read(items, name, pa.string()).to_pylist() for name in names), strict=True)
    return [" ".join(_text(value) for value in row if value is not None) for row in rows]


def _text(value: object) -> str:
    return " ".join(map(str, value)) if isinstance(value, list) else str(value)


def numbers(items: pa.Table, name: str, modality: str) -> pa.Array:
    """A column of numbers, or of text that is numbers, as float64 with nulls; all null where there is none.

    Raises:
        Refused: a value is no finite number; names the item.
    """
    values = column_to_read(items, name, pa.float64())
    if pa.types.is_string(values.type) or pa.types.is_large_string(values.type):
        values = pc.utf8_trim_whitespace(values)
        values = pc.if_else(pc.equal(values, ""), None, values)
    try:
        found = values.cast(pa.float64())
        bad = pc.fill_null(pc.invert(pc.is_finite(found)), fill_value=False)
    except pa.ArrowException as error:
        raise Refused(f"prepare.features.{modality}: column '{name}' is no column of numbers: {error}") from error
    if (row := pc.index(bad, value=True).as_py()) >= 0:
        raise Refused(f"prepare.features.{modality}: column '{name}' of item {items['item_id'][row].as_py()!r} is not finite")
    return found
