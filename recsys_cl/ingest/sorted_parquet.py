"""Parquet that is the same bytes for the same rows: fixed row groups, page checksums, no dates or names of machines."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from recsys_cl.core.files import storage_fault
from recsys_cl.ingest.ahead import ahead

ROW_GROUP = 1 << 20


def write_parquet(path: Path, schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> int:
    """Write rows in the order given, however they are cut into batches; returns how many there were.

    Raises:
        Unavailable: the disk failed.
    """
    rows = 0
    try:
        with pq.ParquetWriter(path, schema, compression="zstd", write_page_checksum=True) as writer:
            for table in _groups(schema, ahead(iter(batches))):
                writer.write_table(table, row_group_size=ROW_GROUP)
                rows += len(table)
    except OSError as error:
        raise storage_fault(path, error) from error
    return rows


def _groups(schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.Table]:
    waiting: list[pa.RecordBatch] = []
    for batch in batches:
        waiting.append(batch)
        if sum(map(len, waiting)) >= ROW_GROUP:
            table = pa.Table.from_batches(waiting, schema)
            whole = len(table) - len(table) % ROW_GROUP
            yield table.slice(0, whole).combine_chunks()
            waiting = table.slice(whole).to_batches()
    if waiting:
        yield pa.Table.from_batches(waiting, schema).combine_chunks()
