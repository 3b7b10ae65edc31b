"""Writes a prepared data set: three parts of integers, and the vocabulary that gives them back their names."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

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
    # Ids are dense numbers, of which dictionaries would say nothing new; times rise by little.
    encoded = {"use_dictionary": list(part.columns), "column_encoding": {"timestamp": "DELTA_BINARY_PACKED"}}
    _write(pa.table({**columns, **part.columns}), path, **encoded)


def write_vocabulary(prepared: Prepared, items: Path, folder: Path) -> None:
    """Write ``users.parquet``, ``items.parquet`` (joined with the table at ``items``) and ``shape.json``."""
    folder.mkdir(parents=True, exist_ok=True)
    _write(pa.table({"user_id": prepared.user_ids}), folder / "users.parquet")
    _write(_described(prepared.item_ids, items), folder / "items.parquet")
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


def _described(item_ids: pa.Array, path: Path) -> pa.Table:
    """Item ids in id order with what the item table knows of them; unknown is null."""
    try:
        known = pq.read_table(path, page_checksum_verification=True)
    except (OSError, pa.ArrowException) as error:
        raise Refused(f"{path}: not a readable item table: {error}") from error
    row = pc.index_in(item_ids, value_set=known.column("item_id").cast(item_ids.type))
    described = {name: known.column(name).take(row) for name in known.column_names if name != "item_id"}
    return pa.table({"item_id": item_ids, **described})


def _write(table: pa.Table, path: Path, **options: Any) -> None:
    try:
        pq.write_table(table, path, write_page_checksum=True, **options)
    except OSError as error:
        raise storage_fault(path, error) from error
