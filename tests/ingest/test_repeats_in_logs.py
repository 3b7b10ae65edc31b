"""Rows equal in all columns are kept once, whatever numbers the engine gives them, and however little memory it has."""

from __future__ import annotations

import random

import ibis
import numpy as np
import pyarrow as pa
import pytest

from recsys_cl.core.errors import Refused
from recsys_cl.ingest import ingestion
from recsys_cl.ingest.ahead import ahead

HEADER = "user_id,item_id,timestamp,rating\n"


def repeated(rows=3000, seed=1):
    chance = random.Random(seed)
    return HEADER + "".join(
        f"u{chance.randrange(20)},i{chance.randrange(20)},{chance.randrange(9)},{chance.choice(['', '1', '1.0', '-0', '0'])}\n"
        for _ in range(rows)
    )


def test_each_distinct_row_is_kept_at_its_first_place(ingest):
    content = repeated()
    done = ingest.csv(content)
    seen = {}
    for line in content.splitlines()[1:]:
        user, item, time, rating = line.split(",")
        seen.setdefault((user, item, int(time), float(rating) if rating else None))
    expected = sorted(seen, key=lambda row: row[2])
    assert [(u, i, t.second, r) for u, i, t, r in done.rows()] == expected
    assert done.account["rows_deduplicated"] == 3000 - len(expected)


def test_numbers_that_collide_change_nothing(ingest, monkeypatch):
    expected = ingest.csv(repeated()).account
    for numbered in (lambda *_: ibis.literal(7, "int64"), lambda *values: values[0].length().cast("int64")):
        monkeypatch.setattr(ingestion, "mixed", numbered)
        assert ingest.csv(repeated()).account == expected


def test_the_numbers_that_stand_more_than_once():
    batches = [pa.record_batch({"number": pa.array(values, pa.int64())}) for values in ([5, -1, 3], [3, 3], [], [9, -1])]
    assert ingestion._shared(iter(batches), 7).tolist() == [-1, 3]
    assert ingestion._shared(iter(batches[:1]), 3).tolist() == []


@pytest.mark.slow
def test_little_memory_changes_nothing(ingest):
    chance = np.random.default_rng(2)
    users, items, times = (chance.integers(0, bound, 400_000) for bound in (30_000, 5_000, 10**9))
    table = pa.table(
        {"user_id": [f"somebody-{u}" for u in users], "item_id": [f"something-{i}" for i in items], "timestamp": times}
    )
    path = str(ingest.file("log.parquet", pa.concat_tables([table, table.slice(0, 1000)])))
    digests = {ingest("parquet", path, contract={"memory_limit": limit}).account["digest"] for limit in ("2GB", "100MB")}
    assert len(digests) == 1


def test_an_error_ahead_comes_where_its_batch_would():
    def batches():
        yield "first"
        yield "second"
        raise Refused("third")

    coming = ahead(batches())
    assert [next(coming), next(coming)] == ["first", "second"]
    with pytest.raises(Refused, match="third"):
        next(coming)
    assert list(ahead(iter(["only"]))) == ["only"]


@pytest.mark.slow
def test_a_log_that_is_larger_than_the_memory_limit_is_put_on_disk_meanwhile(ingest):
    """A hundred and sixty megabytes of ids under a limit of a hundred: without a place to spill the engine gives up."""
    rows = range(400_000)
    ids = {name: [f"{name}{n * 7919 % len(rows) // 40:0200}" for n in rows] for name in ("user_id", "item_id")}
    path = str(ingest.file("log.parquet", pa.table({**ids, "timestamp": list(rows)})))
    accounts = [ingest("parquet", path, contract={"memory_limit": limit, "threads": 1}).account for limit in ("100MB", "2GB")]
    assert accounts[0] == accounts[1]
    assert accounts[0]["rows_kept"] == len(rows)
