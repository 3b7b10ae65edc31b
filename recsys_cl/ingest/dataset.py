"""Prepared Parquet becomes tensors: the only doors through which training and evaluation see a data set.

Needs pyarrow, numpy, pandas and torch alone, so that it runs where no relational engine is installed.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import torch
from torch import Tensor

from recsys_cl.core.errors import Refused, nearest
from recsys_cl.core.values import Interactions, ItemFeatures, Modality, Ragged, Shape
from recsys_cl.ingest.features._column import SHAPE, WIDTH

if TYPE_CHECKING:
    import pandas as pd


COUNT = "n_"
"""Before the name of a type of event: the column that counts it (`[prepare] behaviours`)."""


def load_shape(vocabulary: Path) -> Shape:
    """How many users and items the vocabulary folder holds."""
    try:
        counts = json.loads((vocabulary / "shape.json").read_text(encoding="utf-8"))
        return Shape(users=int(counts["users"]), items=int(counts["items"]))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise Refused(f"{vocabulary / 'shape.json'}: not a readable vocabulary: {error}") from error


def load_interactions(path: Path, shape: Shape) -> Interactions:
    """The interactions of one part, in file order (by time, then as logged), with their types of event where those were kept.

    Rows of users outside the vocabulary are dropped: nothing can be learnt or recommended for them.
    Items outside it stay, as ``shape.items``: whoever met one cannot be given it, which counts as a miss.
    """
    counts = [name for name in _names(path) if name.startswith(COUNT)]
    table = _read(path, ["user", "item", "timestamp", *counts])
    had = {name.removeprefix(COUNT): torch.from_numpy(table.column(name).to_numpy() > 0) for name in counts}
    users, items, times = (_tensor(table.column(name)) for name in ("user", "item", "timestamp"))
    if len(users) and (int(users.max()) > shape.users or int(items.max()) > shape.items or min(users.min(), items.min()) < 0):
        raise Refused(f"{path}: holds ids outside the vocabulary of {shape.users} users and {shape.items} items")
    known = users < shape.users
    if bool(known.all()):
        return Interactions(shape, users, items, times, had)
    had = {name: each[known] for name, each in had.items()}
    return Interactions(shape, users[known], items[known], times[known], had)


def load_items(vocabulary: Path) -> pd.DataFrame:
    """The item table in id order: ``item_id`` and whatever is known of each item (title, category, features)."""
    return _frame(vocabulary / "items.parquet")


def select_items(vocabulary: Path, values: Mapping[str, str]) -> Tensor | None:
    """Ids [C], rising, of the items whose columns have these ``values``, as text (of a list: among others); None: no column.

    Raises:
        Refused: the item table has no such column, or nobody has such a value; both with the nearest there is.
    """
    if not values:
        return None
    frame = load_items(vocabulary)
    kept = np.ones(len(frame), dtype=np.bool_)
    for name, value in values.items():
        key = f"evaluation.candidates.{name}"
        if name not in frame:
            raise Refused(f"{key}: the item table has no column '{name}'; {nearest(name, [str(c) for c in frame])}")
        words = [_words(each) for each in frame[name]]
        having = np.array([value in each for each in words], dtype=np.bool_)
        if not having.any():
            raise Refused(f"{key}: no item has '{value}'; {nearest(value, sorted(set().union(*words)))}")
        kept &= having
    return torch.from_numpy(np.flatnonzero(kept))


def _words(value: object) -> set[str]:
    """What an entry of a column says, as text: the members of a list, one word, or nothing."""
    if isinstance(value, list | tuple | np.ndarray):
        return {str(each) for each in value if each is not None}
    return set() if value is None or value != value else {str(value)}  # noqa: PLR0124 - only NaN differs from itself


def load_users(vocabulary: Path) -> pd.DataFrame:
    """The user table in id order: ``user_id`` and whatever else was ingested."""
    return _frame(vocabulary / "users.parquet")


def load_categories(vocabulary: Path, column: str, separator: str = "", device: torch.device | None = None) -> Ragged | None:
    """The categories of each item, one row an item, numbered in the order of their names; None without such a column.

    Args:
        vocabulary: folder of the vocabulary.
        column: of the item table; text, or lists of text. What is null or empty has no category.
        separator: what stands between the categories of one text; empty: each text is one category.
        device: where the answer is wanted.
    """
    path = vocabulary / "items.parquet"
    if not path.is_file() or column not in pq.read_schema(path).names:
        return None
    values = _read(path, [column]).column(column).combine_chunks()
    if not pa.types.is_list(values.type) and not pa.types.is_large_list(values.type):
        texts = values.cast(pa.string())
        values = pc.split_pattern(texts, separator) if separator else pa.ListArray.from_arrays(range(len(texts) + 1), texts)
    rows, names = pc.list_parent_indices(values), pc.utf8_trim_whitespace(pc.list_flatten(values).cast(pa.string()))
    named = pc.and_kleene(pc.is_valid(names), pc.not_equal(names, ""))
    pairs = pa.table({"row": rows, "name": names}).filter(named).group_by(["row", "name"]).aggregate([])
    kinds = pc.unique(pairs["name"]).sort()
    pairs = pairs.append_column("kind", pc.index_in(pairs["name"], value_set=kinds)).sort_by(
        [("row", "ascending"), ("kind", "ascending")]
    )
    found = Ragged.group(_tensor(pairs["row"]), _tensor(pairs["kind"]), len(values))
    return found if device is None else found.to(device)


def first_categories(items: pd.DataFrame, column: str, separator: str = "") -> pd.Series[Any]:
    """The first category of each of ``items``, None where none is known; called ``column``.

    Text and lists are read as in `load_categories`, whose numbers forget the order.
    """
    return items[column].map(lambda value: _first(value, separator), na_action="ignore").astype(object)


def _first(value: object, separator: str) -> str | None:
    listed = isinstance(value, list | tuple | np.ndarray)
    several: Any = value if listed else str(value).split(separator) if separator else [value]
    return next((name for each in several if each is not None and (name := str(each).strip())), None)


def load_features(vocabulary: Path, shape: Shape) -> ItemFeatures | None:
    """What was prepared of the items' content, by modality, and of the users; None where the pipeline declares none.

    Raises:
        Refused: the table is not one row an item, or holds a number that is not finite.
    """
    path = vocabulary / "features.parquet"
    if not path.is_file():
        return None
    of_users = vocabulary / "user_features.parquet"
    people = _told(of_users, shape.users, "users") if of_users.is_file() else None
    return replace(_told(path, shape.items, "items"), people=people)


def _told(path: Path, count: int, whose: str) -> ItemFeatures:
    table = _read(path)
    if len(table) != count:
        raise Refused(f"{path}: {len(table)} rows, where the vocabulary has {count} {whose}")
    return ItemFeatures({each.name: modality(table.column(each.name), each, path) for each in table.schema})


def modality(column: pa.ChunkedArray, field: pa.Field, path: Path) -> Modality:
    """A prepared column, lists of numbers and null where there is nothing; there may be nothing at all where the width is told.

    Raises:
        Refused: it is no such column.
    """
    whole = column.combine_chunks()
    present = torch.from_numpy(whole.is_valid().to_numpy(zero_copy_only=False).copy())
    found = pc.list_flatten(whole).to_numpy(zero_copy_only=False).astype(np.float32, copy=True)
    count, told = int(present.sum()), field.metadata or {}
    width = int(told[WIDTH]) if WIDTH in told else found.size // max(count, 1)
    if width == 0 or found.size != count * width or not np.isfinite(found).all():
        raise Refused(f"{path}: '{field.name}' is no table of vectors of one width, finite in every number")
    vectors = torch.from_numpy(found.reshape(count, width))
    values = torch.zeros(len(present), width)
    values[present] = vectors
    shape = tuple(json.loads(told.get(SHAPE, b"[]")))
    if shape and (shape[0] if len(shape) == 2 else math.prod(shape)) != values.shape[1]:
        raise Refused(f"{path}: '{field.name}' has {values.shape[1]} numbers an item, which are not {shape}")
    return Modality(values, present, shape)


def _names(path: Path) -> list[str]:
    try:
        return list(pq.read_schema(path).names)
    except (OSError, pa.ArrowException) as error:
        raise Refused(f"{path}: not a readable table: {error}") from error


def _frame(path: Path) -> pd.DataFrame:
    frame: pd.DataFrame = _read(path).to_pandas()
    return frame


def _read(path: Path, columns: list[str] | None = None) -> pa.Table:
    """Read with page checksums verified, so that a flipped bit on disk is an error and never a number."""
    try:
        return pq.read_table(path, columns=columns, page_checksum_verification=True)
    except (OSError, pa.ArrowException) as error:
        raise Refused(f"{path}: not a readable table: {error}") from error


def _tensor(column: pa.ChunkedArray) -> Tensor:
    """An int64 tensor that owns its memory; Arrow's is read-only, which torch must not be given."""
    return torch.from_numpy(column.to_numpy().astype(np.int64, copy=True))
