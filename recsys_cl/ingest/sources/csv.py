"""CSV logs: one row an interaction, a header, any of four delimiters; plain, .gz or .zst."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa

from recsys_cl.ingest.reading.batches import fault_batch, row_batch
from recsys_cl.ingest.reading.columns import check_mapping, positions
from recsys_cl.ingest.reading.delimited import read_rows
from recsys_cl.ingest.reading.described import Described
from recsys_cl.ingest.reading.locate import locate
from recsys_cl.ingest.reading.records import DELIMITERS, Layout, check_delimiter, read_layout
from recsys_cl.ingest.source import REQUIRED, RawLog, row_schema

_ENDINGS = (".csv", ".csv.gz", ".csv.zst", ".tsv", ".tsv.gz", ".tsv.zst")


class Csv:
    """Delimited text. Physical lines are counted from 1, which is the header.

    Args:
        path: a file, a folder, a glob, or a list of them.
        columns: the contract's column name -> the log's, where they differ.
        delimiter: one character; where absent, the one that makes the most sense of the header.
        items: an item table (.csv, .jsonl or .parquet).
        item_columns: ``item_id``, ``title``, ``category`` -> the item table's names, where they differ; a name
            that ends in .npy is a matrix beside it, a row an item.
    """

    def __init__(
        self,
        path: str | list[str],
        columns: dict[str, str] | None = None,
        delimiter: str | None = None,
        items: str | None = None,
        item_columns: dict[str, str] | None = None,
    ) -> None:
        self.path, self.columns, self.described = path, columns or {}, Described(items, item_columns)
        self.delimiters = DELIMITERS if delimiter is None else (check_delimiter(delimiter, "ingest.source.delimiter"),)
        check_mapping(self.columns)

    def files(self) -> list[Path]:
        """The log's files in order of name, then the item table."""
        return locate(self.path, _ENDINGS) + self.described.files()

    def read(self, scratch: Path) -> RawLog:  # noqa: ARG002 - text is streamed, nothing is put by
        """Open the log: headers now, rows as they are asked for."""
        paths = locate(self.path, _ENDINGS)
        wanted = [self.columns.get(name, name) for name in REQUIRED]
        layouts = [read_layout(path, self.delimiters, wanted) for path in paths]
        places = [positions(layout.header, self.columns, path) for path, layout in zip(paths, layouts, strict=True)]
        schema = row_schema({name: pa.string() for place in places for name in place}, faults=True)
        return RawLog(
            schema,
            (
                batch
                for number, path in enumerate(paths)
                for batch in _batches(schema, number, path, layouts[number], places[number])
            ),
            tuple(str(path) for path in paths),
            self.described.read(),
            [_told(layout, place) for layout, place in zip(layouts, places, strict=True)],
        )


def _told(layout: Layout, place: dict[str, int]) -> dict[str, Any]:
    columns = {name: layout.header[position] for name, position in place.items()}
    return {"format": "csv", "delimiter": layout.delimiter, "columns": columns}


def _batches(schema: pa.Schema, file: int, path: Path, layout: Layout, place: dict[str, int]) -> Iterator[pa.RecordBatch]:
    for rows in read_rows(path, layout, sorted(set(place.values()))):
        if len(rows.lines):
            yield row_batch(schema, {name: rows.columns[position] for name, position in place.items()}, file, rows.lines)
        if rows.faults:
            yield fault_batch(schema, rows.faults, file)
