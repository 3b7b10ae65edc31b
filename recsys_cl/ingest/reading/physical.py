"""The physical types that Parquet logs come in, brought to the few that raw rows have; nothing is guessed or rounded."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import types

_MICROSECONDS = {"s": 1_000_000, "ms": 1_000, "us": 1}
_FAR = 1 << 62  # beyond it a time in microseconds does not fit


def text_kind(kind: pa.DataType) -> pa.DataType | None:
    """The raw type of an id, an event or a part; None if the type cannot stand for opaque text."""
    kind = _values(kind)
    return pa.string() if _is_text(kind) or types.is_integer(kind) or types.is_null(kind) else None


def number_kind(kind: pa.DataType) -> pa.DataType | None:
    """The raw type of a rating or a weight."""
    kind = _values(kind)
    if _is_text(kind):
        return pa.string()
    numeric = types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind) or types.is_null(kind)
    return pa.float64() if numeric else None


def time_kind(kind: pa.DataType) -> pa.DataType | None:
    """The raw type of a timestamp: text, an epoch number, or microseconds in UTC."""
    kind = _values(kind)
    if _is_text(kind):
        return pa.string()
    if types.is_integer(kind) or types.is_null(kind):
        return pa.int64()
    return pa.timestamp("us") if types.is_timestamp(kind) or types.is_date(kind) else None


KINDS: dict[str, Callable[[pa.DataType], pa.DataType | None]] = {
    "user_id": text_kind,
    "item_id": text_kind,
    "timestamp": time_kind,
    "rating": number_kind,
    "event": text_kind,
    "weight": number_kind,
    "part": text_kind,
}
"""For each of the contract's columns, the raw type that a physical type becomes, or None where it is refused."""


def common(kinds: Iterable[pa.DataType]) -> pa.DataType:
    """The one raw type of a column over several files: theirs if they agree, plain text if not."""
    distinct = list(dict.fromkeys(kinds))
    return distinct[0] if len(distinct) == 1 else pa.string()


def convert(values: pa.Array, kind: pa.DataType, raw: pa.DataType) -> pa.Array:
    """A column in its own raw type ``kind``, and from there in the common one ``raw``.

    Raises:
        pa.ArrowInvalid: text that is not UTF-8.
    """
    if types.is_dictionary(values.type):
        values = values.cast(values.type.value_type)
    if types.is_timestamp(kind):
        values = _microseconds(values)
    elif types.is_uint64(values.type) and types.is_int64(kind):
        values = values.cast(kind, safe=False)  # wraps to a negative number, which no time is
    elif types.is_decimal(values.type):
        values = values.cast(kind, safe=False)
    else:
        values = values.cast(kind)
    if types.is_string(kind):
        values.validate(full=True)
    return values if kind == raw else values.cast(raw)


def _microseconds(values: pa.Array) -> pa.Array:
    """Timestamps or dates as microseconds; those too far to be expressed become a time before 1970, which is no valid one."""
    kind = values.type
    if types.is_timestamp(kind) and kind.unit == "ns":
        numbers = values.cast(pa.int64())  # negative ones would be rounded up to 1970
        return pc.if_else(pc.less(numbers, 0), -1, pc.divide(numbers, 1000)).cast(pa.timestamp("us"))
    unit = 86_400_000_000 if types.is_date32(kind) else _MICROSECONDS["ms" if types.is_date64(kind) else kind.unit]
    numbers = (values.cast(pa.int32()) if types.is_date32(kind) else values).cast(pa.int64())
    near = pc.less(pc.abs(numbers), _FAR // unit)
    return pc.multiply(pc.if_else(near, numbers, -1), unit).cast(pa.timestamp("us"))


def _values(kind: pa.DataType) -> pa.DataType:
    return kind.value_type if types.is_dictionary(kind) else kind


def _is_text(kind: pa.DataType) -> bool:
    return any(is_kind(kind) for is_kind in _TEXT)


_TEXT = (
    types.is_string,
    types.is_large_string,
    types.is_string_view,
    types.is_binary,
    types.is_large_binary,
    types.is_binary_view,
)
