"""Each source: a small log and the table it becomes."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from recsys_cl.core.build import build
from recsys_cl.core.errors import Refused
from recsys_cl.core.settings import Component
from recsys_cl.ingest.sources.csv import Csv
from recsys_cl.ingest.sources.jsonl import JsonLines
from recsys_cl.ingest.sources.parquet import Parquet
from recsys_cl.ingest.sources.published import Published
from recsys_cl.ingest.sources.sequences import Sequences

LOGS = {
    "csv": {"log/a.csv": "uid;sku;ts\n007;x;3\n8;y;1\n", "log/b.tsv": "ts\tother\tuid\tsku\n2\t-\t007\tz\n"},
    "jsonl": {"log/a.jsonl": '{"uid":"007","sku":"x","ts":3}\n\n{"uid":8,"sku":"y","ts":"1"}\n{"ts":2,"uid":"007","sku":"z"}'},
    "parquet": {
        "log/a.parquet": pa.table({"uid": ["007", "8"], "sku": ["x", "y"], "ts": pa.array([3, 1], pa.int32())}),
        "log/b.parquet": pa.table({"ts": pa.array([2000], pa.timestamp("ms")), "sku": pa.array([b"z"]), "uid": ["007"]}),
    },
}
NAMES = {"user_id": "uid", "item_id": "sku", "timestamp": "ts"}


def written(ingest, use):
    for name, content in LOGS[use].items():
        ingest.file(name, content)
    return str(ingest.folder / "log")


@pytest.mark.parametrize("use", LOGS)
def test_a_folder_with_columns_of_other_names(ingest, use):
    done = ingest(use, written(ingest, use), columns=NAMES)
    assert [(user, item, time.second) for user, item, time in done.rows()] == [("8", "y", 1), ("007", "z", 2), ("007", "x", 3)]
    assert done.items()["item_id"].to_pylist() == ["x", "y", "z"]


@pytest.mark.parametrize("use", LOGS)
def test_a_missing_column_is_named_with_the_nearest(ingest, use):
    with pytest.raises(Refused, match=r"log/a.*: no column 'uidd' \(for user_id\); did you mean 'uid'\?"):
        ingest(use, written(ingest, use), columns={**NAMES, "user_id": "uidd"})


@pytest.mark.parametrize("make", [Csv, JsonLines, Parquet])
def test_a_mapping_for_no_column_of_the_contract_is_refused(make):
    with pytest.raises(Refused, match=r"columns\.userid: no such column in the contract; did you mean 'user_id'\?"):
        make("log", columns={"userid": "uid"})


@pytest.mark.parametrize("make", [Csv, JsonLines, Parquet, Published, Sequences])
def test_files_that_are_not_there_are_refused(make, tmp_path):
    with pytest.raises(Refused, match="no such"):
        make(str(tmp_path / "absent")).files()


def test_arguments_are_checked_by_name_and_type():
    with pytest.raises(Refused, match=r"source\.colums: 'csv' takes no such argument; did you mean 'columns'\?"):
        build("ingest.sources", Component(use="csv", path="a", colums={}), "source")
    with pytest.raises(Refused, match=r"source\.path"):
        build("ingest.sources", Component(use="csv", path=3), "source")
    with pytest.raises(Refused, match="delimiter"):
        Csv("a", delimiter=", ")


def test_a_doubled_column_is_refused(ingest):
    with pytest.raises(Refused, match="column 'item_id' stands 2 times"):
        ingest.csv("user_id,item_id,item_id,timestamp\nu,i,j,1\n")


def test_optional_columns_of_some_files_are_null_in_the_others(ingest):
    ingest.file("log/a.csv", "user_id,item_id,timestamp\nu,i,1\n")
    ingest.file("log/b.csv", "rating,user_id,item_id,timestamp,event\n4,u,i,2,view\n")
    assert ingest("csv", str(ingest.folder / "log")).rows("rating", "event") == [(None, None), (4.0, "view")]


JSON_ROWS = {
    '{"user_id": 1.0, "item_id": "i", "timestamp": 1}': ("user_id", "a float, where text or an integer is needed"),
    '{"user_id": true, "item_id": "i", "timestamp": 1}': ("user_id", "a boolean, where text or an integer is needed"),
    '{"user_id": [1], "item_id": "i", "timestamp": 1}': ("user_id", "a list, where text or an integer is needed"),
    '{"user_id": "u", "item_id": {}, "timestamp": 1}': ("item_id", "an object, where text or an integer is needed"),
    '{"user_id": null, "item_id": "i", "timestamp": 1}': ("user_id", "is missing"),
    '{"item_id": "i", "timestamp": 1}': ("user_id", "is missing"),
    '{"user_id": "\\ud800", "item_id": "i", "timestamp": 1}': ("user_id", "a lone surrogate, which is no text"),
    '{"user_id": "\\u0000", "item_id": "i", "timestamp": 1}': ("user_id", "holds a control character"),
    '{"user_id": "u", "item_id": "i", "timestamp": 1.0}': ("timestamp", "a float, where text or an integer is needed"),
    '{"user_id": "u", "item_id": "i", "timestamp": 1, "rating": true}': (
        "rating",
        "a boolean, where text or a number is needed",
    ),
    '{"user_id": "u", "item_id": "i", "timestamp": 1, "rating": 1e999}': ("rating", "is not a finite number"),
    '{"user_id": "u", "item_id": "i", "timestamp": 1, "rating": NaN}': ("record", "not JSON: NaN"),
    '{"user_id": "u", "user_id": "v", "item_id": "i", "timestamp": 1}': ("record", "a key stands twice in one object"),
    '["u", "i", 1]': ("record", "not a JSON object"),
    '{"user_id": "u"} {"item_id": "i"}': ("record", "not JSON: Extra data at column 17"),
    '{"user_id": "u"': ("record", "not JSON: Expecting ',' delimiter at column 16"),
    '{"user_id": ' + "[" * 100_000: ("record", "nested too deeply"),
    '{"x": ' + "9" * 5000 + "}": ("record", "a number of more than 4300 digits"),
    '{"x": "' + "9" * (1 << 20) + '"}': ("record", "longer than 1048576 characters"),
}


def test_json_lines_that_are_none(ingest):
    good = '{"user_id": 9007199254740993, "item_id": "i", "timestamp": 1, "x": {"y": [1.5, null]}}'
    done = ingest("jsonl", str(ingest.file("a.jsonl", "\n".join([good, *JSON_ROWS, good, ""]))))
    assert done.bad() == [(line, *fault) for line, fault in enumerate(JSON_ROWS.values(), start=2)]
    assert done.rows("user_id") == [("9007199254740993",)]


def test_a_json_file_cut_off_in_its_last_line_is_refused(ingest):
    with pytest.raises(Refused, match=r"a\.jsonl: line 2: the file is cut off here"):
        ingest("jsonl", str(ingest.file("a.jsonl", '{"user_id":"u","item_id":"i","timestamp":1}\n{"user_id')))


@pytest.mark.parametrize("bad", [pa.array([1.0]), pa.array([True]), pa.array([[1]]), pa.array([{"a": 1}])])
def test_parquet_ids_of_other_types_are_refused(ingest, bad):
    log = pa.table({"user_id": bad, "item_id": ["i"], "timestamp": [1]})
    with pytest.raises(Refused, match=r"a\.parquet: column 'user_id' is of type .*, which no user_id can be"):
        ingest("parquet", str(ingest.file("a.parquet", log)))


def test_parquet_rows_are_counted_from_0_over_batches(ingest):
    ids = pa.array([None if number in (0, 140_000) else number for number in range(150_000)])
    log = pa.table({"user_id": ids, "item_id": pa.array(["i"] * 150_000).dictionary_encode(), "timestamp": range(150_000)})
    done = ingest("parquet", str(ingest.file("a.parquet", log)))
    assert done.bad() == [(0, "user_id", "is missing"), (140_000, "user_id", "is missing")]
    assert done.rows("user_id")[-1] == ("149999",)


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_parquet_times_of_any_unit_and_zone(ingest, unit):
    factor = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}[unit]
    far = {"s": 2**53, "ms": 2**61 + 1000, "us": 2**61, "ns": -(10**15)}[unit]  # 2**61 ms in microseconds is 0 modulo 2**64
    times = pa.array([1_600_000_000 * factor, -1, far], pa.timestamp(unit, "Asia/Tokyo"))
    log = pa.table({"user_id": ["u"] * 3, "item_id": ["i"] * 3, "timestamp": times})
    done = ingest("parquet", str(ingest.file("a.parquet", log)))
    assert [time.isoformat() for (time,) in done.rows("timestamp")] == ["2020-09-13T12:26:40+00:00"]
    assert [line for line, *_ in done.bad()] == [1, 2]


@pytest.mark.parametrize("content", [b"", b"user_id,item_id\n", b"PAR1 and nothing else PAR1"])
def test_a_file_that_is_no_parquet_is_refused(ingest, content):
    with pytest.raises(Refused, match=r"a\.parquet: (the file is empty|not readable as Parquet)"):
        ingest("parquet", str(ingest.file("a.parquet", content)))


def test_a_flipped_bit_in_checksummed_parquet_is_refused(ingest):
    numbers = pa.array(range(1000), pa.int64())
    path = ingest.folder / "a.parquet"
    log = pa.table({"user_id": numbers, "item_id": numbers, "timestamp": numbers})
    pq.write_table(log, path, compression="none", use_dictionary=False, write_page_checksum=True)
    content = bytearray(path.read_bytes())
    content[4000] ^= 1
    path.write_bytes(content)
    with pytest.raises(Refused, match=r"a\.parquet: not readable as Parquet: .*CRC"):
        ingest("parquet", str(path))


def test_parquet_text_that_is_not_utf8_is_refused(ingest):
    log = pa.table({"user_id": pa.array([b"\xff"]), "item_id": ["i"], "timestamp": [1]})
    with pytest.raises(Refused, match=r"a\.parquet: column 'user_id', rows 0 to 1: not UTF-8"):
        ingest("parquet", str(ingest.file("a.parquet", log)))


def test_a_published_split_keeps_its_parts_and_takes_valid_out_of_train(ingest):
    for name, content in {"train.txt": "0 5 6 7\n1 5\n2 8 9\n", "v.txt": "0 6\n1\n2 9 \n", "test.txt": "0 8\n2 5 6\n"}.items():
        ingest.file(f"split/{name}", content)
    done = ingest("published", str(ingest.folder / "split"), valid="v.txt")
    found = {}
    for user, item, time, part in done.rows("user_id", "item_id", "timestamp", "part"):
        found.setdefault((user, part), []).append((time.microsecond, item))
    assert found == {
        ("0", "train"): [(0, "5"), (1, "7")],
        ("0", "valid"): [(2, "6")],
        ("0", "test"): [(3, "8")],
        ("1", "train"): [(0, "5")],
        ("2", "train"): [(0, "8")],
        ("2", "valid"): [(1, "9")],
        ("2", "test"): [(2, "5"), (3, "6")],
    }


def test_sequences_keep_order_and_repeats(ingest):
    done = ingest("sequences", str(ingest.file("a.txt", "u  b a b\nv a\n\nu c\n")))
    assert [item for user, item in done.rows("user_id", "item_id") if user == "u"] == ["b", "a", "b", "c"]
    assert done.rows("timestamp")[-1][0].microsecond == 3


def test_comma_separated_lines_are_no_sequences(ingest):
    with pytest.raises(Refused, match=r"a\.txt: line 1: expected 'user item item …'"):
        ingest("sequences", str(ingest.file("a.txt", "user,item\n1,2\n")))
