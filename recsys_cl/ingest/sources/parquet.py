"""Parquet logs, of any usual physical types; each file is read by the declared columns, never by the first file's schema."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa

from recsys_cl.core.errors import Refused
from recsys_cl.ingest.reading.batches import row_batch
from recsys_cl.ingest.reading.columns import check_mapping, positions
from recsys_cl.ingest.reading.described import Described, Names, Paths
from recsys_cl.ingest.reading.locate import locate
from recsys_cl.ingest.reading.physical import KINDS, common, convert
from recsys_cl.ingest.reading.tables import parquet_batches, parquet_schema
from recsys_cl.ingest.source import RawLog, row_schema


class Parquet:
    """Rows are counted from 0. Integer ids become their decimal text; float, boolean and nested ids are refused.

    Args:
        path: a file, a folder, a glob, or a list of them.
        columns: the contract's column name -> the log's, where they differ.
        items: an item table (.csv, .jsonl or .parquet).
        item_columns: ``item_id``, ``title``, ``category`` -> the item table's names, where they differ; a name
            that ends in .npy is a matrix beside it, a row an item.
    """

    def __init__(
        self, path: Paths, columns: Names | None = None, items: str | None = None, item_columns: Names | None = None
    ) -> None:
        self.path, self.columns, self.described = path, columns or {}, Described(items, item_columns)
        check_mapping(self.columns)

    def files(self) -> list[Path]:
        """The log's files in order of name, then the item table."""
        return locate(self.path, (".parquet",)) + self.described.files()

    def read(self, scratch: Path) -> RawLog:  # noqa: ARG002 - rows are streamed, nothing is put by
        """Open the log: schemas now, rows as they are asked for."""
        paths = locate(self.path, (".parquet",))
        kinds = [self._kinds(path) for path in paths]
        names = list(dict.fromkeys(name for found in kinds for name in found))
        schema = row_schema({name: common(found[name][1] for found in kinds if name in found) for name in names})
        return RawLog(
            schema,
            (batch for number, path in enumerate(paths) for batch in _batches(schema, number, path, kinds[number])),
            tuple(str(path) for path in paths),
            self.described.read(),
            [{"format": "parquet", "columns": {name: column for name, (column, _) in found.items()}} for found in kinds],
        )

    def _kinds(self, path: Path) -> dict[str, tuple[str, pa.DataType]]:
        """For each of the contract's columns in this file, its name there and its raw type."""
        schema = parquet_schema(path)
        found: dict[str, tuple[str, pa.DataType]] = {}
        for name, position in positions(schema.names, self.columns, path).items():
            field = schema.field(position)
            kind = KINDS[name](field.type)
            if kind is None:
                raise Refused(f"{path}: column '{field.name}' is of type {field.type}, which no {name} can be")
            found[name] = (field.name, kind)
        return found


def _batches(schema: pa.Schema, file: int, path: Path, kinds: dict[str, tuple[str, pa.DataType]]) -> Iterator[pa.RecordBatch]:
    row = 0
    for batch in parquet_batches(path, [column for column, _ in kinds.values()]):
        values = {}
        for name, (column, kind) in kinds.items():
            try:
                values[name] = convert(batch.column(column), kind, schema.field(name).type)
            except pa.ArrowInvalid as error:
                raise Refused(f"{path}: column '{column}', rows {row} to {row + len(batch)}: not UTF-8 text") from error
        yield row_batch(schema, values, file, pa.array(np.arange(row, row + len(batch))))
        row += len(batch)
