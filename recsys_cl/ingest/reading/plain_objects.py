"""JSON lines at the speed of the disk: whole blocks at once where that is known to answer as ``objects`` does line by line.

Arrow's JSON reader is fast and trusting: it takes NaN, several objects in a line and an object over several lines, and
deep nesting ends the process. So a block is looked at first, as bytes; whatever is not plainly safe is left to the
strict parser, and so is every block that Arrow refuses.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.json as arrow_json
from numpy.typing import NDArray

from recsys_cl.core.errors import Refused
from recsys_cl.ingest.reading.objects import NUMBERS, decode

_DEEPEST = 8
_LONGEST_LINE = 4000  # bytes; no number in it is too long for the strict parser
_SAMPLE = 20  # lines in which a column should show its type
_CONSTANT = re.compile(rb"[\s:,\[]-?(?:NaN|Inf)")


def plain_columns(data: bytes, names: Sequence[tuple[str, str]]) -> tuple[dict[str, pa.ChunkedArray], list[str]] | None:
    """The contract's columns of a block in which every line is one plain object, and the keys seen; None if it is not.

    None, too, where no line has any of the columns.
    ``names`` are pairs (the contract's name, the log's). Integers become their decimal text, numbers text of the same value.
    """
    count = _lines(data)
    kinds = None if count is None else _kinds(data, names)
    if kinds is None:
        return None
    try:
        table = arrow_json.read_json(
            pa.BufferReader(data),
            arrow_json.ReadOptions(block_size=1 << 21),
            arrow_json.ParseOptions(explicit_schema=pa.schema(list(kinds.items())), unexpected_field_behavior="infer"),
        )
    except pa.ArrowException:
        return None
    found = {name: table[key] for name, key in names if key in table.column_names}
    if (
        not found
        or len(table) != count
        or not all(_as_expected(table[key], kinds.get(key)) for _, key in names if key in table.column_names)
    ):
        return None
    return {name: column.cast(pa.string()) for name, column in found.items()}, table.column_names


def _lines(data: bytes) -> int | None:
    """How many lines the block has, if each begins and ends an object and holds nothing to be wary of."""
    if not data:
        return None
    text = np.frombuffer(data, dtype=np.uint8)
    newlines = np.flatnonzero(text == ord("\n"))
    ends = newlines if data.endswith(b"\n") else np.append(newlines, len(text))
    starts = np.append(0, ends[:-1] + 1)
    if int((ends - starts).max()) > _LONGEST_LINE or np.count_nonzero(text < ord(" ")) != len(newlines):
        return None
    if not ((text[starts] == ord("{")).all() and (text[ends - 1] == ord("}")).all()):
        return None
    if (b"NaN" in data or b"Inf" in data) and _CONSTANT.search(data):
        return None
    flat = data.count(b"{") == data.count(b"}") == len(ends) and b"[" not in data
    return len(ends) if flat or _shallow(data, text, ends) else None


def _shallow(data: bytes, text: NDArray[np.uint8], ends: NDArray[np.int64]) -> bool:
    """Whether brackets outside strings open and close within each line, a few deep."""
    if b"\\" in data:  # an escaped quote would turn strings inside out
        return False
    marks = np.flatnonzero(_BRACKETS[text])
    quotes = np.flatnonzero(text == ord('"'))
    before = np.searchsorted(quotes, marks)
    depth = np.append(0, np.cumsum(np.where(before % 2 == 0, _STEPS[text[marks]], 0)))
    at_ends = depth[np.searchsorted(marks, ends)]
    return bool(depth.max() <= _DEEPEST and (at_ends == 0).all() and (np.searchsorted(quotes, ends) % 2 == 0).all())


def _kinds(data: bytes, names: Sequence[tuple[str, str]]) -> dict[str, pa.DataType] | None:
    """The type of each column by its key, from the first lines; a column that is null there is left out."""
    kinds: dict[str, pa.DataType] = {}
    for line in data.split(b"\n", _SAMPLE)[:_SAMPLE]:
        try:
            record: Mapping[str, Any] = decode(line.decode()) if line else {}
        except Refused:
            return None
        for name, key in names:
            value = record.get(key)
            if key in kinds or value is None:
                continue
            kind = _TYPES.get(type(value)) if name not in NUMBERS else _NUMERIC.get(type(value))
            if kind is None:
                return None
            kinds[key] = kind
    return kinds


def _as_expected(column: pa.ChunkedArray, kind: pa.DataType | None) -> bool:
    if kind is None:
        return bool(pa.types.is_null(column.type))
    return kind != pa.float64() or bool(pc.all(pc.is_finite(column)).as_py() is not False)


_TYPES = {str: pa.string(), int: pa.int64()}
_NUMERIC = {str: pa.string(), int: pa.float64(), float: pa.float64()}
_STEPS = np.zeros(256, dtype=np.int64)
_STEPS[[ord("{"), ord("[")]] = 1
_STEPS[[ord("}"), ord("]")]] = -1
_BRACKETS = _STEPS != 0
