"""The row's hash against Python's own, character by character; texts that no two rows share."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from recsys_cl.ingest.engine import engine
from recsys_cl.ingest.versions.identity import completed, hash_sums, row_hash, total

Row = dict[str, Any]
ids = st.text(st.characters(exclude_categories=("Cc", "Cs")), min_size=1, max_size=8)
times = st.integers(0, 4_102_444_800_000_000 - 1)
numbers = st.none() | st.floats(allow_nan=False, allow_infinity=False)
row = st.fixed_dictionaries(
    {
        "user_id": ids, "item_id": ids, "timestamp": times, "rating": numbers, "weight": numbers,
        "part": st.sampled_from([None, "train", "valid", "test"]),
        "event": st.none() | st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), min_size=1, max_size=8),
    }
)  # fmt: skip
ROWS = st.lists(row, min_size=1, max_size=20)


def slow_sum(rows: list[Row]) -> int:
    """One hash at a time."""
    summed = 0
    for each in rows:
        numbers = ["" if each[name] is None else _shortest(each[name]) for name in ("rating", "weight")]
        values = [each["user_id"], each["item_id"], str(each["timestamp"]), *numbers, each["part"] or "", each["event"] or ""]
        summed += int.from_bytes(hashlib.md5("\x1f".join(values).encode()).digest(), "little")
    return summed % (1 << 128)


def _shortest(number: float) -> str:
    """Python's shortest text, which the engine writes with an exponent from 16 digits on too."""
    return repr(number + 0.0)


def fast_sum(folder: Path, rows: list[Row]) -> int:
    moments = [datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=each["timestamp"]) for each in rows]
    kinds = {"rating": pa.float64(), "weight": pa.float64(), "timestamp": pa.timestamp("us", "UTC")}
    columns = {name: [each[name] for each in rows] if name != "timestamp" else moments for name in rows[0]}
    table = pa.table({name: pa.array(values, kinds.get(name, pa.string())) for name, values in columns.items()})
    with engine(folder, "500MB", 1) as run:
        found = completed(run.table("rows", table))
        found = found.mutate(hash=row_hash(found))
        halves = run.one(found.aggregate(**hash_sums(found.hash)))
    return total(halves["high"], halves["low"])


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=ROWS)
def test_the_engine_hashes_as_python_does(rows: list[Row], tmp_path: Path) -> None:
    assert fast_sum(tmp_path, rows) == slow_sum(rows)


def test_neighbouring_columns_never_run_together(tmp_path: Path) -> None:
    plain = {"timestamp": 1, "rating": None, "weight": None, "part": None}
    rows: list[Row] = [
        {"user_id": "a", "item_id": "bc", "event": None, **plain},
        {"user_id": "ab", "item_id": "c", "event": None, **plain},
        {"user_id": "a", "item_id": "bc", **plain, "rating": 1.0, "event": None},
        {"user_id": "a", "item_id": "bc", **plain, "weight": 1.0, "event": None},
        {"user_id": "a", "item_id": "bc", **plain, "part": "test", "event": None},
        {"user_id": "a", "item_id": "bc", **plain, "event": "test"},
        {"user_id": "a", "item_id": "bc", **plain, "event": "\x1ftest"},
    ]
    assert len({fast_sum(tmp_path, [each]) for each in rows}) == len(rows)


def test_minus_zero_is_zero(tmp_path: Path) -> None:
    row = {"user_id": "u", "item_id": "i", "timestamp": 1, "weight": None, "part": None, "event": None}
    assert fast_sum(tmp_path, [{**row, "rating": -0.0}]) == fast_sum(tmp_path, [{**row, "rating": 0.0}])
