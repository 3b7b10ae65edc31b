"""Random damage to files of every format: refused, or read as what the bytes say; never a traceback, a hang or a signal."""

from __future__ import annotations

import gzip
import random
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from recsys_cl.core.errors import Refused
from recsys_cl.ingest.sources.csv import Csv
from recsys_cl.ingest.sources.jsonl import JsonLines
from recsys_cl.ingest.sources.parquet import Parquet

ROWS = [(f"u{n}", f"i{n % 7}", n) for n in range(200)]
TEXT = "user_id,item_id,timestamp\n" + "".join(f'{user},"{item}",{time}\n' for user, item, time in ROWS)
LINES = "".join(f'{{"user_id":"{user}","item_id":"{item}","timestamp":{time}}}\n' for user, item, time in ROWS)


def parquet(path: Path, **options: object) -> None:
    columns = zip(*ROWS, strict=True)
    pq.write_table(pa.table(list(map(pa.array, columns)), names=["user_id", "item_id", "timestamp"]), path, **options)


FILES = {
    "log.csv": lambda path: path.write_bytes(TEXT.encode()),
    "log.csv.gz": lambda path: path.write_bytes(gzip.compress(TEXT.encode(), mtime=0)),
    "log.jsonl": lambda path: path.write_bytes(LINES.encode()),
    "log.parquet": parquet,
    "checked/log.parquet": lambda path: parquet(path, write_page_checksum=True),
    "plain/log.parquet": lambda path: parquet(path, use_dictionary=False, compression="none"),
}
SOURCES = {".csv": Csv, ".gz": Csv, ".jsonl": JsonLines, ".parquet": Parquet}


@pytest.mark.slow
@pytest.mark.parametrize("name", FILES)
def test_damage(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    FILES[name](path)
    whole, chance, refused = path.read_bytes(), random.Random(11), 0
    for _ in range(400):
        data = bytearray(whole)
        for _ in range(chance.randint(1, 4)):
            data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
        path.write_bytes(data[: chance.randrange(len(data))] if chance.random() < 0.2 else data)
        try:
            log = SOURCES[path.suffix](str(path)).read(tmp_path)
            rows = sum(len(batch) for batch in log.batches)
            assert rows <= 2 * len(ROWS)
        except Refused as error:
            refused += 1
            assert path.name in str(error)  # noqa: PT017 - some damage is read as other text
    assert refused > 50
