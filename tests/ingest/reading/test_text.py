"""Files that are not what they say are refused in one sentence that names the file and, where there is one, the line."""

from __future__ import annotations

import gzip

import pyarrow as pa
import pytest

from recsys_cl.core.errors import Refused
from recsys_cl.ingest.reading import text

LOG = "user_id,item_id,timestamp\n" + "u,i,1600000000\n" * 1000


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", b"", "the file is empty"),
        ("a.csv", b"\n \n", "the file is empty"),
        ("a.csv", LOG.encode("utf-16"), "line 1: not UTF-8 (it looks like UTF-16)"),
        ("a.csv", LOG.encode("utf-16-be"), "line 1: not UTF-8 (it looks like UTF-16)"),
        ("a.csv", LOG.encode() + b"\xe9,i,1\n", "line 1002: not UTF-8 (byte 0xe9)"),
        ("a.csv", gzip.compress(LOG.encode(), mtime=0), "a gzip file, whatever its name says"),
        ("a.csv", b"PAR1" + b"\x00" * 40, "a Parquet file, whatever its name says"),
        ("a.csv", b"PK\x03\x04" + b"x" * 40, "a zip archive, whatever its name says"),
        ("a.csv.gz", LOG.encode(), "not a gz file, whatever its name says"),
        ("a.csv.gz", gzip.compress(LOG.encode(), mtime=0)[:-9], "the compressed data is truncated or damaged"),
        ("a.csv.gz", gzip.compress(LOG.encode(), mtime=0)[:-8] + b"12345678", "the compressed data is truncated or damaged"),
        ("a.csv.zst", pa.compress(LOG.encode(), "zstd", asbytes=True)[:-9], "the compressed data is truncated or damaged"),
        ("a.csv", LOG.encode() + b"x" * 17_000_000, "line 1002 is longer than 16 MiB"),
    ],
)
def test_mislabelled_or_damaged_files_are_refused(tmp_path, name, content, message):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(Refused) as refusal:
        list(text.blocks(path))
    assert str(refusal.value).startswith(f"{path}: {message}")


@pytest.mark.parametrize("ending", ["", ".gz", ".zst"])
def test_blocks_are_whole_lines_that_add_up_to_the_file(tmp_path, ending, monkeypatch):
    monkeypatch.setattr(text, "BLOCK", 1000)
    content = "\ufeff" + "".join(f"line {number} é\n" for number in range(1, 2001)) + "without end"
    path = tmp_path / f"a.txt{ending}"
    pack = {"": bytes, ".gz": gzip.compress, ".zst": lambda data: pa.compress(data, "zstd", asbytes=True)}[ending]
    path.write_bytes(pack(content.encode()))
    found = list(text.blocks(path))
    assert b"".join(block.data for block in found).decode() == content.removeprefix("\ufeff")
    assert [block.last for block in found] == [False] * (len(found) - 1) + [True]
    for block in found[:-1]:
        assert block.data.startswith(b"line %d " % block.line)
        assert block.data.endswith(b"\n")
    assert len(found) > 10


def test_what_is_found_in_a_later_block_is_said_in_the_same_words(ingest, monkeypatch):
    monkeypatch.setattr(text, "BLOCK", 5000)
    with pytest.raises(Refused, match=r"log\.csv: line 1002: not UTF-8 \(byte 0xe9\)"):
        ingest.csv(LOG.encode() + b"\xe9,i,1\n" + LOG.encode())
    assert ingest.left == []
