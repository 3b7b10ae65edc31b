"""Every row is accounted for, and the same rows are the same bytes however they come."""

from __future__ import annotations

import json
import random

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

HEADER = "user_id,item_id,timestamp,rating\n"
TEXT = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=40)
IDS = TEXT | st.sampled_from(
    ["007", "7", "NA", "null", "1e5", " x ", "X", "x", "1_000", "=1+1", "\ufeff", "'", '"', '""', ",", "\\N", "é" * 512]
)
ROWS = st.lists(st.tuples(IDS, IDS, st.integers(0, 5), st.sampled_from([None, 1, 2.5])), min_size=1, max_size=12)


def quoted(value):
    return "" if value is None else '"' + str(value).replace('"', '""') + '"'


def three_logs(runner, rows):
    names = ("user_id", "item_id", "timestamp", "rating")
    kinds = (pa.string(), pa.string(), pa.int64(), pa.float64())
    columns = [pa.array(values, kind) for values, kind in zip(zip(*rows, strict=True), kinds, strict=True)]
    return {
        "csv": runner.file("log.csv", HEADER + "".join(",".join(map(quoted, row)) + "\n" for row in rows)),
        "jsonl": runner.file("log.jsonl", "".join(json.dumps(dict(zip(names, row, strict=True))) + "\n" for row in rows)),
        "parquet": runner.file("log.parquet", pa.table(columns, names=names)),
    }


@pytest.mark.slow
@settings(max_examples=20, deadline=None)
@given(rows=ROWS)
def test_any_ids_come_out_as_they_went_in_and_the_same_from_every_format(fresh_ingest, rows):
    runner = fresh_ingest()
    done = {use: runner(use, str(path)) for use, path in three_logs(runner, rows).items()}
    expected = list(dict.fromkeys(sorted(rows, key=lambda row: row[2])))
    assert done["csv"].rows("user_id", "item_id") == [(user, item) for user, item, *_ in expected]
    assert len({result.account["digest"] for result in done.values()}) == 1
    for result in done.values():
        assert result.account["rows_in"] == len(rows)
        assert result.account["rows_deduplicated"] == len(rows) - len(expected)


@pytest.mark.slow
@settings(max_examples=25, deadline=None)
@given(
    lines=st.lists(
        st.sampled_from(["u,i,1,", "u,i,1,", "u,j,2,3", "v,i,1970-01-01T00:00:01,", ",i,1,", "u,i,x,", "u,i", '"u"x,i,1,', ""]),
        max_size=20,
    )
)
def test_rows_in_are_kept_quarantined_or_deduplicated(fresh_ingest, lines):
    done = fresh_ingest().csv(HEADER + "\n".join(["first,i,1,", *lines]) + "\n")
    account = done.account
    assert account["rows_in"] == 1 + sum(map(bool, lines))
    assert account["rows_in"] == account["rows_kept"] + account["rows_quarantined"] + account["rows_deduplicated"]
    assert account["rows_kept"] == len(done.rows()) == len(set(done.rows()))
    assert account["rows_quarantined"] == len(done.bad())


@pytest.fixture
def rows():
    chance = random.Random(7)
    return [
        (f"u{chance.randrange(300)}", f"i{chance.randrange(300)}", time, None) for time in chance.sample(range(90_000), 9_000)
    ]


def test_the_account(ingest, rows):
    csv = three_logs(ingest, [*rows, *rows[:100], ("", "i", 1, None)])["csv"]
    account = ingest("csv", str(csv)).account
    assert account["rows_in"] == 9101
    assert account["rows_kept"] == 9000
    assert account["rows_deduplicated"] == 100
    assert account["rows_quarantined"] == 1
    assert account["users"] == len({user for user, *_ in rows})
    assert account["items"] == len({item for _, item, *_ in rows})
    assert account["last"][:10] == "1970-01-02"
    assert list(account["files"]) == [str(csv)]


def test_bytes_depend_on_neither_files_order_nor_threads_where_times_differ(ingest, rows):
    digests = set()
    for threads, seed in ((1, 0), (2, 1), (4, 2)):
        shuffled = random.Random(seed).sample(rows, len(rows))
        cut = 1000 * (seed + 1)
        for number, part in enumerate((shuffled[:cut], shuffled[cut:])):
            three_logs(ingest, part)["csv"].rename(ingest.folder / f"{seed}-{number}.csv")
        digests.add(ingest("csv", str(ingest.folder / f"{seed}-?.csv"), contract={"threads": threads}).account["digest"])
    assert len(digests) == 1


def test_rows_of_equal_time_stay_in_log_order(ingest):
    names = [f"i{number * 7919 % 5000}" for number in range(5000)]
    ingest.file("a.csv", "user_id,item_id,timestamp\n" + "".join(f"u,{name},5\n" for name in names[:2500]))
    ingest.file("b.csv", "user_id,item_id,timestamp\n" + "".join(f"u,{name},5\n" for name in names[2500:]))
    assert [name for (name,) in ingest("csv", str(ingest.folder)).rows("item_id")] == names


def test_of_equal_rows_the_first_place_counts(ingest):
    done = ingest.csv("user_id,item_id,timestamp\nu,b,1\nu,a,1\nu,b,1\n")
    assert done.rows("item_id") == [("b",), ("a",)]


def test_pages_carry_checksums(ingest):
    done = ingest.csv("user_id,item_id,timestamp\n" + "".join(f"user-{n},item,{n}\n" for n in range(2000)))
    path = done.folder / "interactions"
    content = bytearray(path.read_bytes())
    content[len(content) // 4] ^= 1
    path.write_bytes(content)
    with pytest.raises(OSError, match="CRC"):
        pq.read_table(path, page_checksum_verification=True)
