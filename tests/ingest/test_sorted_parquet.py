"""The same rows are the same bytes however they are cut, and a flipped bit in any page is noticed by who reads it."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from recsys_cl.ingest import sorted_parquet
from recsys_cl.ingest.sorted_parquet import write_parquet

ROWS = pa.table({"user_id": [f"u{n % 7}" for n in range(500)], "timestamp": pa.array(range(500), pa.timestamp("us", "UTC"))})


def test_batches_leave_no_trace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sorted_parquet, "ROW_GROUP", 64)
    written = set()
    for size in (1, 63, 64, 65, 500):
        assert write_parquet(tmp_path / "rows.parquet", ROWS.schema, ROWS.to_batches(max_chunksize=size)) == 500
        written.add((tmp_path / "rows.parquet").read_bytes())
    assert len(written) == 1
    assert pq.read_table(tmp_path / "rows.parquet").equals(ROWS)


def test_every_page_has_its_checksum(tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    write_parquet(path, ROWS.schema, ROWS.to_batches())
    whole, columns = path.read_bytes(), pq.read_metadata(path).row_group(0)
    for column in map(columns.column, range(2)):
        place = (column.dictionary_page_offset or column.data_page_offset) + column.total_compressed_size - 3
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        with pytest.raises(OSError, match="CRC checksum verification failed"):
            pq.read_table(path, page_checksum_verification=True)
