"""Logs to measure ingestion with: the project's own made-up shop, written as Parquet, CSV or JSON lines."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as arrow_csv
import pyarrow.parquet as pq

from recsys_cl.ingest.sources.synthetic import Synthetic

COLUMNS = ("user_id", "item_id", "timestamp", "event")


def made_log(rows: int, kind: str, folder: Path) -> Path:
    """A log of so many rows, made once: a user to a hundred rows, an item to four hundred, CSV and JSON with epoch seconds."""
    path = folder / f"log-{rows}.{kind}"
    if not path.exists():
        scratch = path.with_suffix(".part")
        batches = Synthetic(seed=1, users=max(rows // 100, 100), items=max(rows // 400, 100), events=rows).read(folder).batches
        writers: dict[str, Callable[[Path, Any], None]] = {"parquet": _parquet, "csv": _csv, "jsonl": _jsonl}
        writers[kind](scratch, (pa.Table.from_batches([batch]).select(COLUMNS) for batch in batches))
        scratch.rename(path)
    return path


def _parquet(path: Path, tables: Any) -> None:
    first = next(tables)
    with pq.ParquetWriter(path, first.schema, compression="zstd") as writer:
        writer.write_table(first)
        for table in tables:
            writer.write_table(table)


def _csv(path: Path, tables: Any) -> None:
    first = _in_seconds(next(tables))
    options = arrow_csv.WriteOptions(quoting_style="none")
    with arrow_csv.CSVWriter(path, first.schema, write_options=options) as writer:
        writer.write_table(first)
        for table in tables:
            writer.write_table(_in_seconds(table))


def _jsonl(path: Path, tables: Any) -> None:
    line = '{"user_id": "%s", "item_id": "%s", "timestamp": %d, "event": "%s"}\n'
    with path.open("w", encoding="utf-8") as file:
        for table in tables:
            columns = (column.to_pylist() for column in _in_seconds(table).columns)
            file.writelines(line % row for row in zip(*columns, strict=True))


def _in_seconds(table: pa.Table) -> pa.Table:
    return table.set_column(2, "timestamp", pc.divide(table["timestamp"].cast(pa.int64()), 1_000_000))
