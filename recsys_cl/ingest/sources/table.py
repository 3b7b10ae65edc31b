"""A table of a database or warehouse, through the same door as files: whatever Ibis connects to."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import numpy as np
import pyarrow as pa

from recsys_cl.core.errors import Refused
from recsys_cl.ingest.reading.batches import row_batch
from recsys_cl.ingest.reading.columns import check_mapping, positions
from recsys_cl.ingest.reading.databases import FILES, database_files, database_table
from recsys_cl.ingest.reading.described import Described
from recsys_cl.ingest.reading.physical import KINDS, convert
from recsys_cl.ingest.source import RawLog, row_schema

_CREDENTIAL = re.compile(r"pass(?!file)|pwd|^pw$|token|secret|credential|api_?key|private_?key", re.IGNORECASE)


class Table:
    """Rows are counted from 0 in the order of their values, since a table has none of its own.

    Args:
        connection: an Ibis URL: ``duckdb://shop.db``, ``sqlite://shop.db``, ``postgres://host/shop``, … without a password,
            which belongs where the driver looks for it (``PGPASSWORD``, ``~/.pgpass``, …).
        table: its name.
        snapshot: a word for the state of the table; another word reads it again. Needed where the data is no file, since
            nothing else tells that it has changed.
        columns: the contract's column name -> the table's, where they differ.
        items: an item table (.csv, .jsonl or .parquet).
        item_columns: ``item_id``, ``title``, ``category`` -> the item table's names, where they differ.
    """

    def __init__(
        self,
        connection: str,
        table: str,
        snapshot: str | None = None,
        columns: dict[str, str] | None = None,
        items: str | None = None,
        item_columns: dict[str, str] | None = None,
    ) -> None:
        scheme = _scheme(connection)
        if scheme not in FILES and snapshot is None:
            raise Refused("ingest.source.snapshot: name the table's state, e.g. a date, so that a change can be told")
        self.connection, self.table = connection, table
        self.columns, self.described = columns or {}, Described(items, item_columns)
        check_mapping(self.columns)

    def files(self) -> list[Path]:
        """The database, where it is a file, with its newest changes; then the item table."""
        return database_files(self.connection) + self.described.files()

    def read(self, scratch: Path) -> RawLog:  # noqa: ARG002 - rows are streamed, nothing is put by
        """Connect and look at the columns; rows come as they are asked for."""
        name = f"{self.connection}, table '{self.table}'"
        with database_table(self.connection, self.table) as (rows, _):
            schema = rows.schema().to_pyarrow()
        kinds: dict[str, tuple[str, pa.DataType]] = {}
        for ours, position in positions(schema.names, self.columns, Path(name)).items():
            kind = KINDS[ours](schema.types[position])
            if kind is None:
                raise Refused(f"{name}: column '{schema.names[position]}' is of type {schema.types[position]}, no {ours}")
            kinds[ours] = (schema.names[position], kind)
        items = self.described.read()
        return RawLog(row_schema({ours: kind for ours, (_, kind) in kinds.items()}), self._batches(kinds), (name,), items)

    def _batches(self, kinds: dict[str, tuple[str, pa.DataType]]) -> Iterator[pa.RecordBatch]:
        """Connects anew, because rows are read on a thread of their own and some drivers do not change threads."""
        schema = row_schema({ours: kind for ours, (_, kind) in kinds.items()})
        columns = list(dict.fromkeys(column for column, _ in kinds.values()))
        row = 0
        with database_table(self.connection, self.table) as (rows, read):
            for batch in read(rows.select(columns).order_by(columns)):
                values = {ours: convert(batch.column(column), kind, kind) for ours, (column, kind) in kinds.items()}
                yield row_batch(schema, values, 0, pa.array(np.arange(row, row + len(batch))))
                row += len(batch)


def _scheme(connection: str) -> str:
    """The kind of database. Of an address that is refused nothing is repeated, since it may hold a password."""
    scheme, found, _ = connection.partition("://")
    if not found:
        raise Refused("ingest.source.connection: expected a URL such as duckdb://shop.db")
    named = [key for key, _ in parse_qsl(connection.partition("?")[2], keep_blank_values=True) if _CREDENTIAL.search(key)]
    try:
        inside = scheme not in FILES and urlsplit(connection).password is not None
    except ValueError as error:
        raise Refused("ingest.source.connection: not a URL") from error
    if named or inside:
        what = f"'{named[0]}'" if named else "a password"
        raise Refused(f"ingest.source.connection: holds {what}; give it to the driver by its own means instead")
    return scheme
