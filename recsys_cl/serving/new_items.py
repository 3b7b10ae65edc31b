"""A registered model with more items than it was trained on: it answers with them and is not trained again."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from recsys_cl.core.errors import Refused
from recsys_cl.serving.asked import id_text
from recsys_cl.serving.reader import ByRule, Reader

if TYPE_CHECKING:
    import pyarrow

    from recsys_cl.serving.bundle import Bundle


def with_new_items(bundle: Bundle, items: pyarrow.Table) -> tuple[Bundle, dict[str, int]]:
    """``bundle`` with the ``items`` that it does not know yet and that have content, behind those it knows.

    Nobody has met them: they are in no history, and never among the popular.

    Args:
        bundle: the model.
        items: ``item_id`` text, each once, and the columns that the model's content is read from.

    Returns:
        The new model, and how many items were ``new``, ``known`` already and kept as they were, or ``without_content``.

    Raises:
        Refused: the model's recipe reads no content, or a column makes no sense.
    """
    import pandas
    import pyarrow as pa

    if bundle.newcomers is None:
        name = bundle.meta.get("name", "the model")
        raise Refused(f"new items: '{name}' knows items by who met them, not by their content; register a multimodal recipe")
    fresh = ~pandas.Index(items.column("item_id").to_pandas()).isin(bundle.item_index)
    items = items.filter(pa.array(fresh))
    vectors, told = bundle.newcomers.vectors(items) if len(items) else (bundle.items[:0], torch.zeros(0, dtype=torch.bool))
    ids = items.column("item_id").cast(pa.string()).combine_chunks().filter(pa.array(told.numpy()))
    counts = {"new": len(ids), "known": int((~fresh).sum()), "without_content": int((~told).sum())}
    if not len(ids):
        return bundle, counts
    kept = items.filter(pa.array(told.numpy()))
    grown = replace(
        bundle,
        item_index=bundle.item_index.append(pandas.Index(ids.to_pandas())),
        item_ids=pa.concat_arrays([bundle.item_ids, ids]),
        about={name: pa.concat_arrays([known.cast(pa.string()), _texts(kept, name)]) for name, known in bundle.about.items()},
        items=torch.cat((bundle.items, vectors[told])),
        counts=torch.cat((bundle.counts, bundle.counts.new_zeros(len(ids)))),
        reader=_padded(bundle.reader, len(ids)),
    )
    return grown, counts


def new_items_from(path: Path) -> pyarrow.Table:
    """An item table from a file, CSV, JSON lines or Parquet: valid ids, each once.

    Raises:
        Refused: it is none, or holds a number that is not finite; names file, row and item.
    """
    from recsys_cl.ingest.reading.item_table import clean_items, read_items

    table, _ = clean_items(read_items(path, {}))
    return table


def new_items_in(text: str) -> pyarrow.Table:
    """An item table from JSON, a list of objects with ``item_id`` and content.

    Raises:
        Refused: it is none.
    """
    import pyarrow as pa

    from recsys_cl.ingest.reading.item_table import clean_items

    try:
        rows = [{**row, "item_id": id_text(row["item_id"], "item_id")} for row in json.loads(text)]
        table = clean_items(pa.Table.from_pylist(rows))[0]
    except (ValueError, TypeError, KeyError, IndexError, OverflowError, RecursionError, Refused, pa.ArrowException) as error:
        raise Refused(f"new_items: must be a JSON list of objects with 'item_id': {str(error)[:80]}") from error
    return table


def _texts(items: pyarrow.Table, name: str) -> pyarrow.Array:
    """A column of text; null where the table has none."""
    import pyarrow as pa

    return (
        items.column(name).cast(pa.string()).combine_chunks()
        if name in items.column_names
        else pa.nulls(len(items), pa.string())
    )


def _padded(reader: Reader | None, count: int) -> Reader | None:
    """A rule for histories says nothing of items that came after it."""
    if not isinstance(reader, ByRule):
        return reader
    rows = reader.fold.rows
    return ByRule(replace(reader.fold, rows=torch.cat((rows, rows.new_zeros(count, rows.shape[1])))))
