"""Writes a prepared data set: three parts of integers, and the vocabulary that gives them back their names."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from recsys_cl.core.files import storage_fault
from recsys_cl.ingest.features._column import WIDTH
from recsys_cl.ingest.preparing.content import describe, read_known
from recsys_cl.ingest.preparing.preparation import Part, Prepared


def write_part(part: Part, path: Path) -> None:
    """Write ``user`` int32, ``item`` int32, ``timestamp`` int64 (microseconds since 1970 UTC), and the part's own columns."""
    columns = {"user": pa.array(part.users), "item": pa.array(part.items), "timestamp": pa.array(part.times)}
    # Ids are dense numbers, of which dictionaries would say nothing new; times rise by little.
    encoded = {"use_dictionary": list(part.columns), "column_encoding": {"timestamp": "DELTA_BINARY_PACKED"}}
    _write(_with_lists(pa.table({**columns, **part.columns})), path, **encoded)


def _with_lists(table: pa.Table) -> pa.Table:
    """Vectors as lists of which some may be missing, which Parquet cannot keep otherwise; their width stands beside them."""
    for number, field in enumerate(table.schema):
        if pa.types.is_fixed_size_list(field.type):
            kind = pa.list_(field.type.value_type)
            told = pa.field(field.name, kind, metadata={WIDTH: str(field.type.list_size)})
            table = table.set_column(number, told, table.column(number).cast(kind))
    return table


def write_vocabulary(prepared: Prepared, items: Path, users: Path, folder: Path) -> None:
    """Write ``items.parquet`` and ``users.parquet``, joined with the tables at ``items`` and ``users``, and ``shape.json``.

    Where content is declared also ``features.parquet``, a column a modality, null where an item has none, and
    ``learned.parquet``, by which content that comes later is read; of the users ``user_features.parquet``, in the same way.
    """
    folder.mkdir(parents=True, exist_ok=True)
    _write(describe("user_id", prepared.user_ids, read_known(users)), folder / "users.parquet")
    _write(describe("item_id", prepared.item_ids, read_known(items)), folder / "items.parquet")
    if prepared.content is not None:
        _write(prepared.content.vectors, folder / "features.parquet")
        _write(prepared.content.learned, folder / "learned.parquet")
    if prepared.people is not None:
        _write(prepared.people.vectors, folder / "user_features.parquet")
    shape = {"users": prepared.shape.users, "items": prepared.shape.items}
    try:
        (folder / "shape.json").write_text(json.dumps(shape, sort_keys=True) + "\n", encoding="utf-8")
    except OSError as error:
        raise storage_fault(folder / "shape.json", error) from error


def _write(table: pa.Table, path: Path, **options: Any) -> None:
    try:
        pq.write_table(table, path, write_page_checksum=True, **options)
    except OSError as error:
        raise storage_fault(path, error) from error
