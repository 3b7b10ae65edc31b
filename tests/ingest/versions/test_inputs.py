"""A file whose name says nothing is known by what it begins with, packed or not; damage is told when it is read."""

from __future__ import annotations

import gzip
import io
import os
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from recsys_cl.core.errors import Refused
from recsys_cl.ingest.versions.inputs import find
from recsys_cl.ingest.versions.options import settings

from .conftest import HEADER, Keeper

CSV = (HEADER + "u,i,1\n").encode()
LINES = b'{"user_id":"u","item_id":"i","timestamp":1}\n'


def parquet() -> bytes:
    sink = io.BytesIO()
    pq.write_table(pa.table({"user_id": ["u"], "item_id": ["i"], "timestamp": [1]}), sink)
    return sink.getvalue()


def told(path: Path, content: bytes) -> str:
    path.write_bytes(content)
    (found,) = find([str(path)], "auto", {}, settings({}))
    return found.format


@pytest.mark.parametrize(
    ("content", "form"), [(CSV, "csv"), (LINES, "jsonl"), (b"\xef\xbb\xbf \n" + LINES, "jsonl"), (b"[1]", "jsonl")]
)
def test_a_name_that_says_nothing(tmp_path: Path, content: bytes, form: str) -> None:
    assert told(tmp_path / "log", content) == form
    assert told(tmp_path / "log.txt", content) == form
    assert told(tmp_path / "log.gz", gzip.compress(content)) == form
    zstd = pa.compress(content, "zstd", asbytes=True)
    assert told(tmp_path / "log.ZST", zstd) == form
    assert told(tmp_path / "log.CSV.gz", gzip.compress(content)) == "csv", "a name that says something is believed"


def test_parquet_without_a_name(tmp_path: Path) -> None:
    assert told(tmp_path / "log.snappy", parquet()) == "parquet"


@pytest.mark.parametrize(
    "content",
    [b"", b"\x1f\x8b", gzip.compress(LINES, mtime=0)[:-12], b"text"],
    ids=["nothing", "two bytes", "cut short", "text"],
)
def test_damage_is_told_by_name_when_it_is_read(keeper: Keeper, content: bytes) -> None:
    with pytest.raises(Refused, match=r"log\.gz: .*(empty|truncated or damaged|not a gz file)"):
        keeper.add(keeper.log("log.gz", content))


def test_rows_of_a_packed_file_without_a_format_in_its_name(keeper: Keeper) -> None:
    assert keeper.add(keeper.log("log.gz", gzip.compress(LINES)))["rows"] == 1


def test_a_file_whose_name_is_no_text_is_named(keeper: Keeper) -> None:
    keeper.log(os.fsdecode(b"caf\xe9.csv"), CSV)
    with pytest.raises(Refused, match=r"logs/caf\\xe9\.csv: the name is no UTF-8 text; rename the file"):
        keeper.add(keeper.logs)
