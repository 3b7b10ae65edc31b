"""When two rows are the same, and the one hash that says so everywhere: MD5 of the row's canonical text.

The hash is for finding and adding up, not for trust: rows are compared in full, and bytes are kept by SHA-256.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from recsys_cl.ingest.engine import engine_function
from recsys_cl.ingest.source import OPTIONAL, REQUIRED

if TYPE_CHECKING:
    import ibis.expr.types as ir

COLUMNS = (*REQUIRED, *OPTIONAL)
SEPARATOR = "\x1f"  # in no id, since ids hold no control characters
LOW = (1 << 64) - 1


def completed(rows: ir.Table) -> ir.Table:
    """Rows with every column of the contract; those the file lacks are null."""
    import ibis

    kinds = {"rating": "float64", "weight": "float64"}
    absent = {name: ibis.null(kinds.get(name, "string")) for name in OPTIONAL if name not in rows.columns}
    return rows.mutate(**absent)


def same(one: ir.Table, other: ir.Table) -> list[ir.BooleanValue]:
    """The conditions under which a row of ``one`` equals a row of ``other`` in all columns; missing equals missing."""
    required = [one[name] == other[name] for name in REQUIRED]
    return [*required, *(one[name].identical_to(other[name]) for name in OPTIONAL)]


def row_hash(rows: ir.Table) -> ir.IntegerValue:
    """128 bits of each row, as the engine's widest integer: shift or mask it before it leaves the engine.

    The canonical text is ``user, item, microseconds after 1970, rating, weight, part, event``, separated by U+001F, a
    missing value empty, numbers as the shortest decimal that reads back the same. The event comes last because it alone
    may hold any character, so no two rows share a text. MD5 is read as a little-endian number.
    """
    numbers = {name: (rows[name] + 0.0).cast("string").fill_null("") for name in ("rating", "weight")}  # -0 is 0
    texts = {name: rows[name].fill_null("") for name in ("part", "event")}
    time = microseconds(rows).cast("string")
    values = (rows.user_id, rows.item_id, time, numbers["rating"], numbers["weight"], texts["part"], texts["event"])
    text = values[0]
    for value in values[1:]:
        text = text + SEPARATOR + value
    return engine_function("md5_number", ("string",), "uint64", text)  # said to be 64 bits wide: Ibis has no wider ones


def hash_sums(hashed: ir.IntegerColumn) -> dict[str, ir.Scalar]:
    """``high`` and ``low``: sums of both halves of a column of rows' hashes, for ``total``."""
    import ibis

    halves = {"high": hashed >> 64, "low": hashed & ibis.literal(LOW, "uint64")}
    return {name: half.cast("decimal(38,0)").sum().fill_null(0) for name, half in halves.items()}


def total(high: int, low: int, before: int = 0) -> int:
    """The sum of the hashes modulo 2^128: commutative, so no order or partition of the rows shows in it.

    Source: Clarke et al., 2003, Incremental multiset hash functions (MSet-Add-Hash).
    """
    return (before + (int(high) << 64) + int(low)) % (1 << 128)


def microseconds(rows: ir.Table) -> ir.IntegerValue:
    """The time of each row after 1970 UTC."""
    return engine_function("epoch_us", ("timestamp('UTC', 6)",), "int64", rows.timestamp)
