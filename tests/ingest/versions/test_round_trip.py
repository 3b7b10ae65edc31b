"""Ids are opaque text: whatever they hold comes out of the data set as it went in, through every format."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from .conftest import Keeper, Row

ids = st.text(st.characters(exclude_categories=("Cc", "Cs")), min_size=1, max_size=12)
rows = st.lists(st.tuples(ids, ids, st.integers(0, 4_102_444_799)), min_size=1, max_size=30, unique=True)
AWKWARD = ["NULL", "NA", "nan", "None", "007", "1e5", " x ", '"', ",", "a,b", "'", "=1+1", "\u2028", "İ", "e\u0301", "\ufeff", "😀", "0x1f", "-0", "true"]  # fmt: skip


def as_csv(log: list[Row]) -> bytes:
    out = io.StringIO(newline="")
    writer = csv.writer(out, quoting=csv.QUOTE_ALL, lineterminator="\n")
    writer.writerows([("user_id", "item_id", "timestamp"), *log])
    return out.getvalue().encode()


def as_jsonl(log: list[Row]) -> bytes:
    return "".join(json.dumps({"user_id": u, "item_id": i, "timestamp": t}) + "\n" for u, i, t in log).encode()


def as_parquet(log: list[Row]) -> bytes:
    users, items, times = zip(*log, strict=True)
    sink = io.BytesIO()
    pq.write_table(pa.table({"user_id": users, "item_id": items, "timestamp": pa.array(times, pa.int64())}), sink)
    return sink.getvalue()


WRITERS: dict[str, Callable[[list[Row]], bytes]] = {"csv": as_csv, "jsonl": as_jsonl, "parquet": as_parquet}


@pytest.fixture(scope="module")
def fresh_keeper(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Keeper]:
    return lambda: Keeper(tmp_path_factory.mktemp("keeper"))


@pytest.mark.slow
@settings(max_examples=12, deadline=None)
@given(log=rows)
@example(log=[(word, word[::-1], number) for number, word in enumerate(AWKWARD)])
def test_ids_come_out_as_they_went_in(log: list[Row], fresh_keeper: Callable[[], Keeper]) -> None:
    keeper = fresh_keeper()
    found = set()
    for form, write in WRITERS.items():
        found.add(keeper.add(keeper.log(f"log.{form}", write(log)))["digest"])
        assert keeper.rows() == sorted((user, item, seconds * 1_000_000) for user, item, seconds in log), form
    assert len(found) == 1, "the same rows in another format are the same rows"
