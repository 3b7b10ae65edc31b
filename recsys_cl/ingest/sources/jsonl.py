"""JSON-lines logs: one object a line; plain, .gz or .zst."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa

from recsys_cl.core.errors import Refused
from recsys_cl.ingest.reading.batches import Fault, fault_batch, row_batch
from recsys_cl.ingest.reading.columns import check_mapping, missing
from recsys_cl.ingest.reading.described import Described, Names, Paths
from recsys_cl.ingest.reading.locate import locate
from recsys_cl.ingest.reading.objects import Row, cut_off, decode, row
from recsys_cl.ingest.reading.plain_objects import plain_columns
from recsys_cl.ingest.reading.text import Block, blocks
from recsys_cl.ingest.source import OPTIONAL, REQUIRED, RawLog, row_schema

_ENDINGS = tuple(f"{kind}{packed}" for kind in (".jsonl", ".ndjson") for packed in ("", ".gz", ".zst"))


class JsonLines:
    """Objects with the contract's keys. Physical lines are counted from 1; blank lines hold no row.

    Args:
        path: a file, a folder, a glob, or a list of them.
        columns: the contract's column name -> the log's key, where they differ.
        items: an item table (.csv, .jsonl or .parquet).
        item_columns: ``item_id``, ``title``, ``category`` -> the item table's names, where they differ; a name
            that ends in .npy is a matrix beside it, a row an item.
    """

    def __init__(
        self, path: Paths, columns: Names | None = None, items: str | None = None, item_columns: Names | None = None
    ) -> None:
        self.path, self.columns, self.described = path, columns or {}, Described(items, item_columns)
        check_mapping(self.columns)
        self.names = [(n, self.columns.get(n, n)) for n in (*REQUIRED, *OPTIONAL) if n != "part" or n in self.columns]

    def files(self) -> list[Path]:
        """The log's files in order of name, then the item table."""
        return locate(self.path, _ENDINGS) + self.described.files()

    def read(self, scratch: Path) -> RawLog:  # noqa: ARG002 - text is streamed, nothing is put by
        """Open the log; lines are read as they are asked for."""
        paths = locate(self.path, _ENDINGS)
        schema = row_schema({name: pa.string() for name, _ in self.names}, faults=True)
        return RawLog(
            schema,
            (batch for number, path in enumerate(paths) for batch in self._batches(schema, number, path)),
            tuple(str(path) for path in paths),
            self.described.read(),
            [{"format": "jsonl", "columns": dict(self.names)}] * len(paths),
        )

    def _batches(self, schema: pa.Schema, file: int, path: Path) -> Iterator[pa.RecordBatch]:
        keys: set[str] = set()
        for block in blocks(path):
            plain = plain_columns(block.data, self.names)
            if plain is not None:
                columns, found = plain
                keys.update(found)
                count = len(next(iter(columns.values())))
                yield row_batch(schema, columns, file, np.arange(block.line, block.line + count))
                continue
            lines, rows, faults = self._rows(path, block, keys)
            if rows:
                yield row_batch(schema, {name: [found[name] for found in rows] for name, _ in self.names}, file, lines)
            if faults:
                yield fault_batch(schema, faults, file)
        for name, key in self.names:
            if keys and key not in keys and (name in REQUIRED or name in self.columns):
                raise Refused(missing(path, name, key, sorted(keys)))

    def _rows(self, path: Path, block: Block, keys: set[str]) -> tuple[list[int], list[Row], list[Fault]]:
        lines: list[int] = []
        rows: list[Row] = []
        faults: list[Fault] = []
        texts = block.data.decode().split("\n")
        for number, text in enumerate(texts, start=block.line):
            if not text.strip(" \t\r"):
                continue
            try:
                record = decode(text)
            except Refused as error:
                if block.last and number == block.line + len(texts) - 1 and cut_off(text):
                    raise Refused(f"{path}: line {number}: the file is cut off here ({error})") from error
                faults.append((number, "record", str(error)))
                continue
            keys.update(record)
            found = row(record, self.names)
            if isinstance(found, tuple):
                faults.append((number, *found))
            else:
                lines.append(number)
                rows.append(found)
        return lines, rows, faults
