"""The published sequence format: lines ``user item item …`` in time order, without times."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import numpy as np
import pyarrow as pa

from recsys_cl.ingest.reading.batches import row_batch
from recsys_cl.ingest.reading.described import Described
from recsys_cl.ingest.reading.locate import locate
from recsys_cl.ingest.reading.user_lists import user_lists
from recsys_cl.ingest.source import RawLog, row_schema

_SCHEMA = row_schema({"user_id": pa.string(), "item_id": pa.string(), "timestamp": pa.timestamp("us")})
_LINES = 10_000  # in a batch


class Sequences:
    """The time of an interaction is its position in the user's line, in microseconds after 1970.

    So the order of a user is exact and times of different users mean nothing: split such a log per user, never by time.

    Args:
        path: a file, a folder, a glob, or a list of them (``.txt``, ``.gz`` and ``.zst`` too).
        items: an item table (.csv, .jsonl or .parquet).
        item_columns: ``item_id``, ``title``, ``category`` -> the item table's names, where they differ; a name
            that ends in .npy is a matrix beside it, a row an item.
    """

    timed: ClassVar[bool] = False  # times of different users mean nothing

    def __init__(self, path: str | list[str], items: str | None = None, item_columns: dict[str, str] | None = None) -> None:
        self.path, self.described = path, Described(items, item_columns)

    def files(self) -> list[Path]:
        """The files of lines in order of name, then the item table."""
        return locate(self.path, (".txt", ".txt.gz", ".txt.zst")) + self.described.files()

    def read(self, scratch: Path) -> RawLog:  # noqa: ARG002 - lines are streamed, nothing is put by
        """Open the log; lines are read as they are asked for."""
        paths = locate(self.path, (".txt", ".txt.gz", ".txt.zst"))
        items = self.described.read()
        return RawLog(_SCHEMA, _batches(paths), tuple(str(path) for path in paths), items)


def _batches(paths: list[Path]) -> Iterator[pa.RecordBatch]:
    length: Counter[str] = Counter()  # of each user so far: a second line of a user goes on where the first ended
    for number, path in enumerate(paths):
        rows: list[tuple[str, int, int, list[str]]] = []
        for line, user, items in user_lists(path):
            rows.append((user, line, length[user], items))
            length[user] += len(items)
            if len(rows) == _LINES:
                yield _batch(rows, number)
                rows = []
        if rows:
            yield _batch(rows, number)


def _batch(rows: list[tuple[str, int, int, list[str]]], file: int) -> pa.RecordBatch:
    sizes = [len(items) for *_, items in rows]
    positions = np.concatenate([np.arange(start, start + size) for (_, _, start, _), size in zip(rows, sizes, strict=True)])
    columns = {
        "user_id": pa.array(np.repeat(np.array([user for user, *_ in rows], dtype=object), sizes), pa.string()),
        "item_id": pa.array([item for *_, items in rows for item in items], pa.string()),
        "timestamp": pa.array(positions, pa.int64()).cast(pa.timestamp("us")),
    }
    return row_batch(_SCHEMA, columns, file, np.repeat(np.array([line for _, line, *_ in rows]), sizes))
