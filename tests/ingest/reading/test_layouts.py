"""What was found out of the layout of files is told: once for all that are alike, declared and detected alike."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from recsys_cl.ingest.reading.layouts import grouped, told
from recsys_cl.ingest.versions.append import Request, append
from recsys_cl.ingest.versions.inputs import find
from recsys_cl.ingest.versions.options import settings

NAMES = {"user_id": "who"}


def test_files_that_are_alike_are_told_once() -> None:
    one, other = ({"format": "csv", "delimiter": mark, "columns": {"user_id": "user_id"}} for mark in ",;")
    found = grouped(["a", "b", "c"], [one, other, one])
    assert found == [{**one, "files": 2, "first": "a"}, {**other, "files": 1, "first": "b"}]
    assert told(found[1]) == "csv divided by ';': user_id (1 files, the first b)"
    assert grouped([], []) == []


def ingested(folder: Path, *names: str, delimiter: str | None = None) -> dict[str, object]:
    chosen = settings({"threads": 1})
    paths = [str(folder / name) for name in names]
    request = Request(find(paths, "auto", NAMES, chosen, delimiter), NAMES, chosen, delimiter)
    return append(folder / "set", request, lambda _: None)


def test_layouts_of_every_format_are_in_the_account(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("who;item_id;timestamp;event;x\nu;i;1;view;0\n")
    (tmp_path / "b.jsonl").write_text('{"who":"v","item_id":"i","timestamp":1}\n')
    pq.write_table(pa.table({"timestamp": [1], "who": ["w"], "item_id": ["i"]}), tmp_path / "c.parquet")
    done = ingested(tmp_path, "a.csv", "b.jsonl", "c.parquet")
    csv, jsonl, parquet = done["layouts"]
    required = {"user_id": "who", "item_id": "item_id", "timestamp": "timestamp"}
    assert csv == {"format": "csv", "delimiter": ";", "columns": required | {"event": "event"}, "files": 1, "first": str(tmp_path / "a.csv")}  # fmt: skip
    assert (parquet["format"], parquet["columns"]) == ("parquet", required)
    assert jsonl["columns"].items() >= required.items()
    assert ingested(tmp_path, "a.csv")["layouts"] == [], "what is known already is not read"


def test_a_declared_delimiter_is_taken_and_another_one_reads_the_file_anew(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("who^item_id^timestamp\nu,1^i^1\n")
    done = ingested(tmp_path, "a.csv", delimiter="^")
    assert [layout["delimiter"] for layout in done["layouts"]] == ["^"]
    assert done["rows"] == 1
    (tmp_path / "b.csv").write_text("who,item_id,timestamp\nv,i,2\n")
    assert ingested(tmp_path, "b.csv")["rows_kept"] == 1
    assert [layout["delimiter"] for layout in ingested(tmp_path, "b.csv", delimiter=",")["layouts"]] == [","]
