"""Writes a prepared data set: three parts of integers, and the vocabulary that gives them back their names."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from recsys_cl.core.build import build
from recsys_cl.core.errors import Refused
from recsys_cl.core.files import storage_fault
from recsys_cl.core.settings import Component
from recsys_cl.ingest.preparing.preparation import Part, Prepared


def write_part(part: Part, path: Path) -> None:
    """Write ``user`` int32, ``item`` int32, ``timestamp`` int64 (microseconds since 1970 UTC), and the part's own columns."""
    columns = {"user": pa.array(part.users), "item": pa.array(part.items), "timestamp": pa.array(part.times)}
    _write(pa.table({**columns, **part.columns}), path)


def write_vocabulary(prepared: Prepared, items: Path, users: Path, folder: Path) -> None:
    """Write ``items.parquet`` and ``users.parquet``, joined with the tables at ``items`` and ``users``, and ``shape.json``."""
    folder.mkdir(parents=True, exist_ok=True)
    _write(_described("user_id", prepared.user_ids, users), folder / "users.parquet")
    _write(_described("item_id", prepared.item_ids, items), folder / "items.parquet")
    shape = {"users": prepared.shape.users, "items": prepared.shape.items}
    try:
        (folder / "shape.json").write_text(json.dumps(shape, sort_keys=True) + "\n", encoding="utf-8")
    except OSError as error:
        raise storage_fault(folder / "shape.json", error) from error


def write_features(features: Mapping[str, Component], folder: Path) -> None:
    """Write ``features.parquet`` beside the vocabulary in ``folder``: a column a modality, null where an item has none."""
    items = pq.read_table(folder / "items.parquet", page_checksum_verification=True)
    columns = {}
    for name in sorted(features):
        known = build("ingest.features", features[name], f"prepare.features.{name}", name=name)(items)
        width = known.values.shape[1]
        rows = pa.FixedSizeListArray.from_arrays(pa.array(known.values.reshape(-1)), width).cast(pa.list_(pa.float32()))
        columns[name] = pc.if_else(pa.array(known.present), rows, pa.nulls(len(rows), rows.type))
    _write(pa.table(columns), folder / "features.parquet")


def _described(key: str, ids: pa.Array, path: Path) -> pa.Table:
    """Ids in id order with what the table at ``path`` knows of them; unknown is null."""
    try:
        known = pq.read_table(path, page_checksum_verification=True)
    except (OSError, pa.ArrowException) as error:
        raise Refused(f"{path}: not a readable table of ids: {error}") from error
    row = pc.index_in(ids, value_set=known.column(key).cast(ids.type))
    described = {name: known.column(name).take(row) for name in known.column_names if name != key}
    return pa.table({key: ids, **described})


def _write(table: pa.Table, path: Path) -> None:
    try:
        pq.write_table(table, path, write_page_checksum=True)
    except OSError as error:
        raise storage_fault(path, error) from error
