"""Parquet: every physical type for every column, schemas that differ, files that are damaged or locked."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pyarrow.parquet.encryption as pe

from tests.ingest.hostile.case import ROW, Case, parquet


def table(**columns: Any) -> pa.Table:
    """One row ``u, i, 1`` but for the columns given, each an array of one value."""
    return pa.table({"user_id": pa.array(["u"]), "item_id": pa.array(["i"]), "timestamp": pa.array([1]), **columns})


def two(**columns: Any) -> pa.Table:
    """Rows ``u, i, 1`` and ``v, j, 2`` but for the columns given."""
    return pa.table({"user_id": ["u", "v"], "item_id": ["i", "j"], "timestamp": pa.array([1, 2]), **columns})


INTEGERS = [pa.int8(), pa.int16(), pa.int32(), pa.int64(), pa.uint8(), pa.uint16(), pa.uint32(), pa.uint64()]
TEXTS = [pa.string(), pa.large_string(), pa.string_view(), pa.dictionary(pa.int8(), pa.string()), pa.dictionary(pa.int32(), pa.large_string())]  # fmt: skip
BYTES = [pa.binary(), pa.large_binary(), pa.binary_view(), pa.dictionary(pa.int16(), pa.binary())]
NO_ID = [
    pa.array([1.0], pa.float32()), pa.array([1.0]), pa.array([np.float16(1.0)]), pa.array([True]), pa.array([[1]]),
    pa.array([["u"]], pa.large_list(pa.string())), pa.array([["u"]], pa.list_(pa.string(), 1)), pa.array([{"a": "u"}]),
    pa.array([[("a", "u")]], pa.map_(pa.string(), pa.string())), pa.array([dt.date(2020, 1, 1)]), pa.array([1], pa.timestamp("us")),
    pa.array([Decimal("1.5")]), pa.array([Decimal("1")], pa.decimal256(40, 0)), pa.array([b"0123456789abcdef"], pa.binary(16)),
    pa.array([1], pa.time64("us")), pa.array([1], pa.duration("us")), pa.array([1.0]).dictionary_encode(),
]  # fmt: skip

IDS = [
    *(parquet(f"user_id {kind}", table(user_id=pa.array([7], kind)), ("7", "i", 1)) for kind in INTEGERS),
    *(parquet(f"user_id largest {kind}", table(user_id=pa.array([top], kind)), (str(top), "i", 1)) for kind, top in ((pa.int64(), 2**63 - 1), (pa.uint64(), 2**64 - 1), (pa.int64(), -(2**63)))),
    *(parquet(f"user_id {kind}", table(user_id=pa.array(["007"]).cast(kind)), ("007", "i", 1)) for kind in TEXTS),
    *(parquet(f"user_id {kind}", table(user_id=pa.array([b"007"]).cast(kind.value_type).dictionary_encode() if pa.types.is_dictionary(kind) else pa.array([b"007"], kind)), ("007", "i", 1)) for kind in BYTES),
    *(parquet(f"user_id {array.type}", table(user_id=array), refused="'user_id' is of type .*, which no user_id can be") for array in NO_ID),
    *(parquet(f"item_id {array.type}", table(item_id=array), refused="which no item_id can be") for array in NO_ID[:6]),
    parquet("user_id null type", table(user_id=pa.nulls(1)), refused="1 of 1 rows are bad.*row 0 .the first is 0.: user_id: is missing"),
    parquet("integers with a missing one", two(user_id=pa.array([2**53 + 1, None])), (str(2**53 + 1), "i", 1), bad=[(1, "user_id", "missing")]),
    parquet("a dictionary with a missing one", two(user_id=pa.array(["u", None]).dictionary_encode()), ROW, bad=[(1, "user_id", "missing")]),
    parquet("integers in a dictionary", two(user_id=pa.array([7, 8]).dictionary_encode()), ("7", "i", 1), ("8", "j", 2)),
    parquet("an empty id", two(user_id=["u", ""]), ROW, bad=[(1, "user_id", "empty")]),
    parquet("a zero byte", two(user_id=["u", "a\0"]), ROW, bad=[(1, "user_id", "control")]),
    parquet("1025 bytes", two(user_id=["u", "x" * 1025]), ROW, bad=[(1, "user_id", "1024")]),
    parquet("bytes that are no text", table(user_id=pa.array([b"\xff"])), refused="'user_id', rows 0 to 1: not UTF-8"),
    parquet("bytes that claim to be text", table(user_id=pa.StringArray.from_buffers(1, pa.py_buffer(np.array([0, 1], np.int32)), pa.py_buffer(b"\xff"))), refused="not UTF-8|not readable"),
]  # fmt: skip


def _time(array: pa.Array) -> pa.Table:
    return table(timestamp=array)


TIMES = [
    *(parquet(f"epoch {kind}", _time(pa.array([1], kind)), ROW) for kind in INTEGERS),
    *(parquet(f"text {kind}", _time(pa.array(["1970-01-01T00:00:01Z"]).cast(kind)), ROW) for kind in TEXTS[:4]),
    *(parquet(f"{kind}", _time(pa.array([dt.datetime(1970, 1, 1, 0, 0, 1)], kind)), ROW) for kind in map(pa.timestamp, ("s", "ms", "us", "ns"))),
    *(parquet(f"{kind}", _time(pa.array([1_000_000 * 1000 ** (unit == "ns") // 1000 ** (unit == "ms")], kind)), ROW) for unit in ("ms", "us", "ns") for zone in ("UTC", "+02:00", "America/New_York") for kind in [pa.timestamp(unit, zone)]),
    parquet("date32", _time(pa.array([dt.date(1970, 1, 2)])), ("u", "i", 86_400)),
    parquet("date64", _time(pa.array([dt.date(1970, 1, 2)], pa.date64())), ("u", "i", 86_400)),
    parquet("int96", lambda path: pq.write_table(_time(pa.array([dt.datetime(1970, 1, 1, 0, 0, 1)])), path, use_deprecated_int96_timestamps=True), ROW),
    parquet("a dictionary of times", _time(pa.array([1_000_000], pa.timestamp("us")).dictionary_encode()), ROW),
    parquet("nanoseconds are cut off", _time(pa.array([1_000_000_999], pa.timestamp("ns"))), ROW),
    *(parquet(f"{array.type} is no time", _time(array), refused="'timestamp' is of type .*, which no timestamp can be") for array in (
        pa.array([1.0]), pa.array([True]), pa.array([[1]]), pa.array([{"a": 1}]), pa.array([1], pa.time32("s")), pa.array([1], pa.duration("s")), pa.array([Decimal("1.0")]))),
    *(parquet(name, two(timestamp=pa.array([2, value], kind)), ("u", "i", second), bad=[(1, "timestamp", reason)]) for name, kind, second, value, reason in (
        ("a missing time", pa.int64(), 2, None, "missing"), ("before 1970", pa.int64(), 2, -1, "1970"), ("in 2100", pa.int64(), 2, 4_102_444_800, "1970"),
        ("milliseconds", pa.int64(), 2, 1_600_000_000_000, "1970"), ("the largest integer", pa.int64(), 2, 2**63 - 1, "1970"), ("the least", pa.int64(), 2, -(2**63), "1970"),
        ("the largest unsigned", pa.uint64(), 2, 2**64 - 1, "1970"), ("typed and missing", pa.timestamp("us"), 2e-6, None, "missing"), ("a nanosecond before 1970", pa.timestamp("ns"), 0, -1, "1970"),
        ("typed, before 1970", pa.timestamp("ms"), 0.002, -1, "1970"), ("typed, the largest", pa.timestamp("ms"), 0.002, 2**63 - 1, "1970"), ("typed, the least", pa.timestamp("us"), 2e-6, -(2**63) + 1, "1970"),
        ("a far date", pa.date32(), 172_800, 2**31 - 1, "1970"), ("an early date", pa.date32(), 172_800, -1, "1970"))),
]  # fmt: skip


def _rated(name: str, array: pa.Array, reason: str = "", field: str = "rating") -> Case:
    rows, bad = ([ROW], [(1, field, reason)]) if reason else ([ROW, ("v", "j", 2)], [])
    return parquet(f"{field} {name}", two(**{field: array}), *rows, bad=bad)


NUMBERS = [
    *(_rated(str(kind), pa.array([None, 4], kind)) for kind in [*INTEGERS, pa.float32(), pa.float64()]),
    _rated("half", pa.array([np.float16(1), np.float16(4)])),
    _rated("decimal", pa.array([None, Decimal("4.50")])),
    _rated("dictionary", pa.array([1.0, 4.0]).dictionary_encode()),
    _rated("text", pa.array([None, "4.5"])),
    _rated("nothing", pa.nulls(2)),
    _rated("nan", pa.array([1.0, float("nan")]), "finite"),
    _rated("inf", pa.array([1.0, float("inf")]), "finite"),
    _rated("-inf in single", pa.array([1.0, float("-inf")], pa.float32()), "finite"),
    _rated("text that is none", pa.array(["1", "one"]), "finite"),
    _rated("negative", pa.array([0.0, -1.0]), "negative", "weight"),
    _rated("negative zero", pa.array([0.0, -0.0]), field="weight"),
    *(parquet(f"rating {array.type}", table(rating=array), refused="'rating' is of type") for array in (pa.array([True]), pa.array([[1.0]]), pa.array([{"a": 1}]), pa.array([1], pa.timestamp("s")))),
    parquet("event integer", table(event=pa.array([1])), ROW),
    parquet("event float", table(event=pa.array([1.0])), refused="'event' is of type double"),
]  # fmt: skip


def _folder(name: str, *tables: pa.Table, **more: Any) -> Case:
    return Case(name, {f"in/{number}.parquet": each for number, each in enumerate(tables)}, path="in", **more)


SCHEMAS = [
    _folder("an id integer here, text there", table(user_id=pa.array([7])), table(user_id=["007"], timestamp=[2]), rows=[("7", "i", 1), ("007", "i", 2)]),
    _folder("a time epoch here, typed there", table(), table(timestamp=pa.array([2], pa.timestamp("s"))), table(timestamp=["3"]), table(timestamp=[dt.date(1970, 1, 2)]), rows=[ROW, ("u", "i", 2), ("u", "i", 3), ("u", "i", 86_400)]),
    _folder("a rating whole here, text there", table(rating=[4]), table(rating=["4.5"], timestamp=[2]), table(rating=[0.1], timestamp=[3]), rows=[ROW, ("u", "i", 2), ("u", "i", 3)]),
    _folder("a column more in the second", table(), table(rating=[4.0], x=[1], timestamp=[2]), rows=[ROW, ("u", "i", 2)]),
    _folder("a column less in the second", table(rating=[4.0]), table(timestamp=[2]), rows=[ROW, ("u", "i", 2)]),
    _folder("columns in another order", table(), table(timestamp=[2]).select(["timestamp", "item_id", "user_id"]), rows=[ROW, ("u", "i", 2)]),
    _folder("a required column lost", table(), table().drop_columns("item_id"), refused="1.parquet: no column 'item_id'"),
    _folder("a type no id can have", table(), table(user_id=[1.0]), refused="1.parquet: column 'user_id' is of type double"),
    _folder("one without rows", table(), table().slice(0, 0), rows=[ROW]),
    _folder("none with rows", table().slice(0, 0), refused="holds no rows"),
    Case("folders named like a column", {"in/user_id=007/dt=2020-01-01/a.parquet": table(), "in/user_id=7/a.parquet": table(timestamp=[2])}, [ROW, ("u", "i", 2)], path="in"),
    Case("ids in folder names only", {"in/user_id=007/a.parquet": table().drop_columns("user_id")}, path="in", refused="no column 'user_id'"),
    parquet("a doubled column", pa.Table.from_arrays([pa.array(["u"]), pa.array(["w"]), pa.array(["i"]), pa.array([1])], names=["user_id", "user_id", "item_id", "timestamp"]), refused="'user_id' stands 2 times"),
    parquet("a doubled column that is ignored", pa.Table.from_arrays([pa.array(["u"]), pa.array(["i"]), pa.array([1]), pa.array([1]), pa.array([2])], names=["user_id", "item_id", "timestamp", "x", "x"]), ROW),
    parquet("a nested column of the same name", table(x=pa.array([{"user_id": "w"}])), ROW),
    parquet("a dot in a name", table(**{"user_id.x": [1], "item.id": ["k"]}), ROW),
    parquet("a mapped name with a dot", table(**{"u.id": ["w"]}), ("w", "i", 1), arguments={"columns": {"user_id": "u.id"}}),
    parquet("a field of a struct is no column", table(u=pa.array([{"id": "w"}])), refused="no column 'u.id'", arguments={"columns": {"user_id": "u.id"}}),
    parquet("other columns of every type", table(a=[{"b": [1]}], c=[[1.5]], d=[b"\xff"], e=pa.nulls(1), f=[Decimal("1")]), ROW),
    parquet("an index that pandas left", table(__index_level_0__=[5]), ROW),
]  # fmt: skip


def _changed(change: Callable[[bytes], bytes], **options: Any) -> Callable[[Path], None]:
    """A file of 1,000 rows whose bytes were changed."""

    def make(path: Path) -> None:
        rows = pa.table({"user_id": [f"u{n}" for n in range(1000)], "item_id": ["i"] * 1000, "timestamp": list(range(1000))})
        pq.write_table(rows, path, **options)
        path.write_bytes(change(path.read_bytes()))

    return make


def _flipped(data: bytes) -> bytes:
    return data[:100] + bytes([data[100] ^ 1]) + data[101:]


class _Keys(pe.KmsClient):
    """Keys wrapped by nothing: enough to write a file that others cannot read."""

    def wrap_key(self, key_bytes: bytes, master_key_identifier: str) -> str:
        return key_bytes.hex()

    def unwrap_key(self, wrapped_key: str, master_key_identifier: str) -> bytes:
        return bytes.fromhex(wrapped_key)


def _encrypted(*, plaintext_footer: bool) -> Callable[[Path], None]:
    def make(path: Path) -> None:
        settings = pe.EncryptionConfiguration(footer_key="f", column_keys={"c": ["user_id"]}, plaintext_footer=plaintext_footer)
        factory = pe.CryptoFactory(lambda _: _Keys())
        properties = factory.file_encryption_properties(pe.KmsConnectionConfig(), settings)
        with pq.ParquetWriter(path, table().schema, encryption_properties=properties) as writer:
            writer.write_table(table())

    return make


BROKEN = "log.parquet: not readable as Parquet"
DAMAGES = [
    parquet("empty", b"", refused="the file is empty"),
    parquet("one byte", b"P", refused=BROKEN),
    parquet("magic alone", b"PAR1", refused=BROKEN),
    parquet("magic twice", b"PAR1PAR1", refused=BROKEN),
    parquet("a footer of 4 GB", b"PAR1" + b"\xff\xff\xff\xff" + b"PAR1", refused=BROKEN),
    parquet("csv by its content", "user_id,item_id,timestamp\nu,i,1\n", refused=BROKEN),
    parquet("gzip by its content", b"\x1f\x8b\x08\x00" + b"\0" * 100, refused=BROKEN),
    parquet("zeros", b"\0" * 4096, refused=BROKEN),
    *(parquet(f"cut to {share:.0%}", _changed(lambda data, share=share: data[: int(len(data) * share)]), refused=BROKEN) for share in (0.05, 0.5, 0.95, 0.999)),
    parquet("bytes after the end", _changed(lambda data: data + b"more"), refused=BROKEN),
    parquet("bytes before the start", _changed(lambda data: b"more" + data), refused="."),
    parquet("a bit flipped under a checksum", _changed(_flipped, write_page_checksum=True, compression="none"), refused="not readable as Parquet.*CRC"),
    parquet("a bit flipped in compressed data", _changed(_flipped, compression="gzip"), refused=BROKEN),
    parquet("an encrypted footer", _encrypted(plaintext_footer=False), refused=BROKEN),
    parquet("an encrypted column", _encrypted(plaintext_footer=True), refused=BROKEN),
]  # fmt: skip

CASES = {"ids": IDS, "times": TIMES, "numbers": NUMBERS, "schemas": SCHEMAS, "damages": DAMAGES}
