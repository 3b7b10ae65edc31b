"""Columns of one file become a batch of raw rows; what a log does not have is null."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

Fault = tuple[int, str, str]  # line, field, reason


def row_batch(schema: pa.Schema, columns: Mapping[str, Any], file: int, lines: Any) -> pa.RecordBatch:
    """Rows that the reader could read. ``columns`` holds one array or list of ``len(lines)`` values a column."""
    count = len(lines)
    given = {**columns, "file": pa.repeat(pa.scalar(file, pa.int32()), count), "line": lines}
    arrays = [_array(given[field.name], field.type) if field.name in given else pa.nulls(count, field.type) for field in schema]
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def fault_batch(schema: pa.Schema, faults: Sequence[Fault], file: int) -> pa.RecordBatch:
    """Rows that the reader could not read: no values, only where they stand and why."""
    lines, fields, reasons = zip(*faults, strict=True)
    return row_batch(schema, {"field": list(fields), "reason": list(reasons)}, file, list(lines))


def _array(values: Any, kind: pa.DataType) -> pa.Array:
    if isinstance(values, pa.ChunkedArray):
        values = values.combine_chunks()
    if isinstance(values, pa.Array):
        return values if values.type == kind else values.cast(kind)
    return pa.array(values, kind)
