"""What no format forbids and nobody expects: pages, encodings and types of Parquet; packed text; names, numbers and nests."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tests.ingest.hostile.case import GOOD, HEADER, ROW, Case, csv, jsonl, parquet
from tests.ingest.hostile.place_cases import zstd

OTHER = ("v", "j", 2)
ROWS = pa.table({"user_id": ["u", "v", None, "", "a\nb"], "item_id": ["i", "j", "k", "k", "k"], "timestamp": [1, 2, 3, 3, 3]})
BAD = [(2, "user_id", "missing"), (3, "user_id", "empty"), (4, "user_id", "control")]


def _written(rows: pa.Table = ROWS, **options: Any) -> Callable[[Path], None]:
    return lambda path: pq.write_table(rows, path, **options)


def _empty(path: Path) -> None:
    pq.ParquetWriter(path, ROWS.schema).close()


def _encoded(encoding: str, **options: Any) -> Case:
    texts = dict.fromkeys(("user_id", "item_id"), encoding)
    return parquet(encoding, _written(use_dictionary=False, column_encoding=texts, **options), ROW, OTHER, bad=BAD)


MANY = pa.table({"user_id": [f"u{n}" for n in range(300)], "item_id": ["i"] * 300, "timestamp": list(range(300))})
SEEN = [(f"u{n}", "i", n) for n in range(300)]
PAGES = [
    *(parquet(f"packed by {name}", _written(compression=name), ROW, OTHER, bad=BAD) for name in ("none", "snappy", "gzip", "brotli", "lz4", "zstd")),
    *(_encoded(name) for name in ("PLAIN", "DELTA_BYTE_ARRAY", "DELTA_LENGTH_BYTE_ARRAY")),
    parquet("pages of the second version", _written(data_page_version="2.0", version="2.6"), ROW, OTHER, bad=BAD),
    parquet("a format of the first version", _written(version="1.0"), ROW, OTHER, bad=BAD),
    parquet("a row group a row", _written(MANY, row_group_size=1), *SEEN),
    parquet("pages of a few bytes", _written(MANY, data_page_size=8, write_batch_size=3), *SEEN),
    parquet("a dictionary too small to hold", _written(MANY, dictionary_pagesize_limit=16), *SEEN),
    parquet("no row group", _empty, refused="holds no rows"),
    parquet("no column", _written(pa.table({})), refused="no column 'user_id'"),
    parquet("no statistics, no schema of Arrow's", _written(write_statistics=False, store_schema=False), ROW, OTHER, bad=BAD),
    parquet("ids of a megabyte", _written(pa.table({"user_id": ["u", "x" * (1 << 20)], "item_id": ["i", "i"], "timestamp": [1, 2]})), ROW, bad=[(1, "user_id", "1024")]),
    parquet("thousands of columns", _written(ROWS.slice(0, 1).append_column("c", pa.array([1])).select(["user_id", "item_id", "timestamp"] + ["c"] * 3000)), ROW),
]  # fmt: skip


def _typed(name: str, **columns: Any) -> pa.Table:
    assert name
    return pa.table({"user_id": pa.array(["u"]), "item_id": pa.array(["i"]), "timestamp": pa.array([1]), **columns})


TYPES = [
    *(parquet(f"user_id {array.type}", _typed("id", user_id=array), refused="'user_id' is of type .*, which no user_id can be") for array in (
        pa.array([b"0123456789abcdef"], pa.uuid()), pa.array([Decimal(7)], pa.decimal128(38, 0)), pa.array([{"id": {"id": "u"}}]),
        pa.array([[["u"]]]), pa.array([[]], pa.list_(pa.string())))),
    *(parquet(f"timestamp {array.type}", _typed("time", timestamp=array), refused="'timestamp' is of type") for array in (
        pa.array([1.5], pa.float32()), pa.array([Decimal(1)], pa.decimal128(38, 0)), pa.array([[1]]), pa.array([b"0123456789abcdef"], pa.uuid()))),
    parquet("unsigned beyond 63 bits among times", _typed("t", timestamp=pa.array([2**63 + 5], pa.uint64())), refused=r"1 of 1 rows.*1970\.\.2099"),
    parquet("nanoseconds with a zone", _typed("t", timestamp=pa.array([1_500_000_000], pa.timestamp("ns", "Asia/Kathmandu"))), ("u", "i", 1.5)),
    parquet("a dictionary that holds a word twice", _typed("t", user_id=pa.DictionaryArray.from_arrays(pa.array([1]), pa.array(["u", "u"]))), ROW),
    parquet("a rating of 38 digits", _typed("r", rating=pa.array([Decimal("9" * 30)], pa.decimal128(38, 0))), ROW),
    parquet("every id null", _typed("n", item_id=pa.nulls(1, pa.string())), refused="1 of 1 rows.*item_id: is missing"),
    Case("plain text here, coded text there", {"in/0.parquet": _typed("a"), "in/1.parquet": _typed("b", user_id=pa.array(["u"]).dictionary_encode(), timestamp=pa.array([2])), "in/2.parquet": _typed("c", user_id=pa.array([7]), timestamp=pa.array([3]))}, [ROW, ("u", "i", 2), ("7", "i", 3)], path="in"),
]  # fmt: skip

SKIPPED = b"\x50\x2a\x4d\x18" + (4).to_bytes(4, "little") + b"note"  # a frame of zstd that readers pass over
NAMED = (
    b"\x1f\x8b\x08\x18"
    + b"\0" * 4
    + b"\x00\x03"
    + b"log.csv\0a comment\0"
    + gzip.compress((HEADER + GOOD).encode(), mtime=0)[10:]
)
PACKED = [
    Case("gzip with a name and a comment", {"log.csv.gz": NAMED}, [ROW]),
    Case("gzip of a header, and of nothing more", {"log.csv.gz": gzip.compress(HEADER.encode())}, refused="holds no rows"),
    Case("zstd with a frame to pass over", {"log.csv.zst": zstd(HEADER + GOOD) + SKIPPED}, [ROW]),
    Case("zstd that wants gigabytes", {"log.csv.zst": b"\x28\xb5\x2f\xfd\x00\xf8" + b"\0" * 20}, refused="truncated or damaged"),
    Case("a tar in gzip", {"log.csv.gz": gzip.compress(b"log.csv".ljust(512, b"\0") + (HEADER + GOOD).encode().ljust(512, b"\0") + b"\0" * 1024)}, refused="no column 'user_id'|UTF-16"),
    Case("a hundred thousand members of gzip", {"log.csv.gz": gzip.compress(HEADER.encode()) + gzip.compress(GOOD.encode(), mtime=0) * 20_000}, [ROW], repeated=19_999),
    Case("a Parquet file in gzip", {"log.parquet": gzip.compress(b"PAR1" + b"\0" * 50 + b"PAR1")}, refused="not readable as Parquet"),
]  # fmt: skip

TEXT = [
    csv("a name with an invisible blank", "user_id\u200b,item_id,timestamp\n" + GOOD, refused="no column 'user_id'"),
    csv("a name with a blank that does not break", "user_id,item_id,timestamp\u00a0\n" + GOOD, refused="no column 'timestamp'"),
    csv("a name with a zero byte", "user_id\0,item_id,timestamp\n" + GOOD, refused="no column 'user_id'"),
    csv("two columns without a name", ",,user_id,item_id,timestamp\n1,2,u,i,1\n", ROW),
    csv("a delimiter after the header only", "user_id,item_id,timestamp,\n" + GOOD, refused="1 of 1 rows.*3 fields where the header has 4"),
    csv("two delimiters in the header", "user_id;item_id,timestamp\nu;i,1\n", refused="no column 'user_id'"),
    csv("a quote within a name", 'user"_id,item_id,timestamp\n' + GOOD, refused="no column 'user_id'"),
    csv("a comment above the header", "# exported\n" + HEADER + GOOD, refused="no column 'user_id'"),
    csv("a comment among rows", HEADER + "# a note\n" + GOOD, ROW, bad=[(2, "record", "1 fields")]),
    csv("a second header within", HEADER + GOOD + HEADER + "v,j,2\n", ROW, OTHER, bad=[(3, "timestamp", "neither")]),
    csv("a quoted header that is none", '"user_id,item_id,timestamp"\n' + GOOD, refused="no column 'user_id'"),
    csv("a lone carriage return ends the file", HEADER + "u,i,1\r", ROW),
    csv("a fifth quote", HEADER + '"""""u",i,1\n' + GOOD, ('""u', "i", 1), ROW),
    csv("a sixth quote", HEADER + '""""""u,i,1\n' + GOOD, ROW, bad=[(2, "record", "expected after")]),
    csv("a byte order mark within quotes", HEADER + '"\ufeffu",i,1\n', ("\ufeffu", "i", 1)),
    csv("marks of direction are part of an id", HEADER + "\u202eu,i,1\nu,i,1\n", ("\u202eu", "i", 1), ROW),
    csv("100 MB in one line", (HEADER + GOOD).encode() + b"x" * (100 << 20), refused="line 3 is longer than 16 MiB"),
    csv("10 MB of blank lines below the header", HEADER + "\n" * (10 << 20) + GOOD, ROW),
    csv("formulas are ids", HEADER + "=1+1,@SUM(A1),1\n", ("=1+1", "@SUM(A1)", 1)),
    csv("a rating beyond a double", "user_id,item_id,timestamp,rating\nu,i,1,1e400\nu,i,1,1e-400\n", ROW, bad=[(2, "rating", "finite")]),
    csv("a column called like ours in other letters", "user_id,User_ID,item_id,timestamp\nu,w,i,1\n", ROW),
]  # fmt: skip


def _line(**values: Any) -> str:
    return json.dumps({"user_id": "v", "item_id": "j", "timestamp": 2, **values}) + "\n"


def _raw(name: str, text: str, *rows: tuple[Any, ...], **more: Any) -> Case:
    line = '{"user_id":"u","item_id":"i","timestamp":1}\n'
    return jsonl(name, line + text, ROW, *rows, **more)


LINES = [
    _raw("a rating of 400 digits", _line(rating=10**400), bad=[(2, "rating", "finite")]),
    _raw("a rating of 1e400", _line()[:-2] + ',"rating":1e400}\n', bad=[(2, "rating", "finite")]),
    _raw("a rating of 1E-400", _line()[:-2] + ',"rating":1E-400}\n', OTHER),
    _raw("an id of minus nothing", _line().replace('"v"', "-0"), ("0", "j", 2)),
    _raw("an id with an exponent", _line().replace('"v"', "1E2"), bad=[(2, "user_id", "float")]),
    _raw("an id with leading zeros", _line().replace('"v"', "007"), bad=[(2, "record", "not JSON")]),
    _raw("a number in hexadecimal", _line().replace(": 2", ": 0x2"), bad=[(2, "record", "not JSON")]),
    _raw("a number with a plus", _line().replace(": 2", ": +2"), bad=[(2, "record", "not JSON")]),
    _raw("a doubled key within a nest", _line(x={})[:-4] + '{"a":1,"a":2}}\n', bad=[(2, "record", "twice")]),
    _raw("objects divided by carriage returns", (_line() + _line())[:-1].replace("\n", "\r") + "\n", bad=[(2, "record", "Extra data")]),
    _raw("objects divided by commas", _line()[:-1] + ",\n", bad=[(2, "record", "Extra data")]),
    _raw("a record mark before the object", "\x1e" + _line(), bad=[(2, "record", "not JSON")]),
    _raw("a key that is empty", _line(**{"": 1}), OTHER),
    _raw("a time in nanoseconds", _line(timestamp=1_600_000_000_000_000_000), bad=[(2, "timestamp", "1970|neither")]),
    _raw("a time that is an object", _line(timestamp={"$date": 2000}), bad=[(2, "timestamp", "object")]),
    _raw("an id that is an object", _line(user_id={"$oid": "v"}), bad=[(2, "user_id", "object")]),
    _raw("escapes of every kind in an id", '{"user_id":"\\u0076","item_id":"\\u006A","timestamp":2}\n', OTHER),
    _raw("a wrong escape", '{"user_id":"\\v","item_id":"j","timestamp":2}\n', bad=[(2, "record", "not JSON")]),
    jsonl("zeros after the last line", _line() + "\0" * 100, refused="line 2: the file is cut off"),
    _raw("true for one in a word", _line().replace("2}", "True}"), bad=[(2, "record", "not JSON")]),
    jsonl("an array at the top, in one line", json.dumps([{"user_id": "u", "item_id": "i", "timestamp": 1}]) + "\n", refused="not a JSON object"),
    jsonl("no key is ours", '{"uid":"u","sku":"i","at":1}\n' * 3, refused="no column 'user_id'"),
    jsonl("nothing but empty objects", "{}\n" * 3, refused="no column 'user_id'|rows are bad"),
    jsonl("two marks of byte order", "\ufeff\ufeff" + _line(), refused="."),
    jsonl("utf-16 without a mark", _line().encode("utf-16-le"), refused="UTF-16"),
    jsonl("latin-1 in a value that is ignored", b'{"user_id":"u","item_id":"i","timestamp":1,"x":"\xe9"}\n', refused="line 1: not UTF-8"),
]  # fmt: skip

CASES = {"pages": PAGES, "types": TYPES, "packed": PACKED, "text": TEXT, "lines": LINES}
