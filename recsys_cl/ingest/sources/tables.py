"""Several Parquet tables as one log: each a part of a published split, a domain with ids of its own, or one kind of event."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field

from recsys_cl.core.errors import Refused
from recsys_cl.core.settings import Settings
from recsys_cl.ingest.reading.batches import row_batch
from recsys_cl.ingest.reading.columns import check_mapping, missing
from recsys_cl.ingest.reading.locate import existing, expand
from recsys_cl.ingest.reading.physical import KINDS, convert
from recsys_cl.ingest.reading.tables import parquet_batches, parquet_schema
from recsys_cl.ingest.source import RawLog, row_schema

_IDS = ("user_id", "item_id")


class Table(Settings):
    """One file, and what holds for all of its rows."""

    file: str
    part: str | None = None
    domain: str | None = None
    event: str | None = None


class Tables:
    """Rows of all tables in the order given; where the tables are of domains, the item table gets a column ``domain``.

    A table without times is later than all before it: its rows are one unit of time after the last of them.

    Args:
        path: the folder.
        tables: ``file``, and where they hold for it ``part``, ``domain``, ``event``.
        columns: what ``user_id``, ``item_id``, ``timestamp`` and ``event`` are called in the files, where it is otherwise.
        shared_users: numbers below this are the same person in every domain, other ids are the domain's own; absent: every id
            is the same person everywhere.
        shared_items: whether an item id means the same item in every domain; else each domain has its own.
    """

    timed = False  # whether times of different users mean anything is not known here

    def __init__(
        self,
        path: str,
        tables: Annotated[list[Table], Field(min_length=1)],
        columns: dict[str, str] | None = None,
        shared_users: Annotated[int, Field(ge=0)] | None = None,
        *,
        shared_items: bool = False,
    ) -> None:
        self.path, self.tables, self.columns = path, tables, columns or {}
        self.shared_users, self.shared_items = shared_users, shared_items
        check_mapping(self.columns, (*_IDS, "timestamp", "event"))
        of_domains = [table.domain is not None for table in tables]
        if any(of_domains) and not all(of_domains):
            raise Refused(f"ingest.source.tables.{of_domains.index(False)}.domain: missing, where other tables have one")

    def files(self) -> list[Path]:
        """The tables in their order."""
        folder = Path(expand(self.path))
        if not folder.is_dir():
            raise Refused(f"{folder}: no such folder")
        return [existing(str(folder / table.file)) for table in self.tables]

    def read(self, scratch: Path) -> RawLog:  # noqa: ARG002 - the tables are read at once
        """Read all tables."""
        paths = self.files()
        found = [self._table(path, table) for path, table in zip(paths, self.tables, strict=True)]
        kinds = {name: column.type for columns in found for name, column in columns.items() if name != "domain"}
        schema = row_schema(kinds | {"timestamp": pa.int64()})
        return RawLog(schema, _batches(schema, found), tuple(map(str, paths)), _items(found) if "domain" in found[0] else None)

    def _table(self, path: Path, table: Table) -> dict[str, pa.Array]:
        """The contract's columns, and ``domain``."""
        schema = parquet_schema(path)
        header = schema.names
        wanted = {name: self.columns.get(name, name) for name in (*_IDS, "timestamp", "event")}
        for name in _IDS:
            if wanted[name] not in header:
                raise Refused(missing(path, name, wanted[name], header))
        there = {name: column for name, column in wanted.items() if column in header}
        read = pa.schema([field for field in schema if field.name in there.values()])  # a file without rows has no batches
        rows = pa.Table.from_batches(parquet_batches(path, read.names), read)
        columns = {name: _converted(rows.column(column), name, path) for name, column in there.items()}
        for name in ("part", "event", "domain"):
            if (value := getattr(table, name)) is not None:
                columns[name] = pa.repeat(pa.scalar(value), len(rows))
        if table.domain is not None:
            columns |= {name: self._named(columns[name], table.domain, name) for name in _IDS}
        return columns

    def _named(self, ids: pa.Array, domain: str, column: str) -> pa.Array:
        """The ids, with the domain's name before those that are its own."""
        own = pc.binary_join_element_wise(domain, ids, ":")
        if column == "item_id":
            return ids if self.shared_items else own
        if self.shared_users is None:
            return ids
        numbers = pc.if_else(pc.match_substring_regex(ids, "^[0-9]{1,18}$"), ids, None).cast(pa.int64())
        return pc.if_else(pc.fill_null(pc.less(numbers, self.shared_users), fill_value=False), ids, own)


def _converted(column: pa.ChunkedArray, name: str, path: Path) -> pa.Array:
    kind = KINDS[name](column.type)
    if kind is None or (name == "timestamp" and kind != pa.int64()):
        raise Refused(
            f"{path}: column for {name} is of type {column.type}; ids and events are text or integers, times integers"
        )
    return convert(column.combine_chunks(), kind, kind)


def _batches(schema: pa.Schema, tables: list[dict[str, pa.Array]]) -> Iterator[pa.RecordBatch]:
    latest = -1
    for number, columns in enumerate(tables):
        known = {name: column for name, column in columns.items() if name != "domain"}
        if "timestamp" not in known:
            known["timestamp"] = pa.repeat(pa.scalar(latest + 1, pa.int64()), len(known["user_id"]))
        times = known["timestamp"].drop_null()
        latest = max(latest, pc.max(times).as_py()) if len(times) else latest
        yield row_batch(schema, known, number, pa.array(np.arange(len(known["user_id"]))))


def _items(tables: list[dict[str, pa.Array]]) -> pa.Table:
    """Every item once, with its domain, or the list of them where some item has several."""
    pairs = pa.concat_tables(pa.table({name: columns[name] for name in ("item_id", "domain")}) for columns in tables)
    found = pairs.group_by("item_id").aggregate([("domain", "distinct")])
    lists = found["domain_distinct"].combine_chunks()
    of_one = pc.max(pc.list_value_length(lists)).as_py() == 1
    return pa.table({"item_id": found["item_id"], "domain": lists.flatten() if of_one else lists})
