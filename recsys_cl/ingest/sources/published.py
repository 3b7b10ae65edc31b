"""A published split: a folder of ``train.txt``, ``test.txt`` and perhaps a validation file, lines ``user item item …``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import numpy as np
import pyarrow as pa

from recsys_cl.core.errors import Refused
from recsys_cl.ingest.reading.batches import row_batch
from recsys_cl.ingest.reading.columns import check_mapping
from recsys_cl.ingest.reading.described import Described
from recsys_cl.ingest.reading.locate import existing, expand
from recsys_cl.ingest.reading.user_lists import UserList, user_lists
from recsys_cl.ingest.source import RawLog, row_schema

_SCHEMA = row_schema({"user_id": pa.string(), "item_id": pa.string(), "timestamp": pa.timestamp("us"), "part": pa.string()})


class Published:
    """Every row is marked with its part; pairs of the validation file are taken out of train, where they usually lie.

    Such files have no times: the time of an interaction is its place in the user's own train, valid and test items in that
    order, in microseconds after 1970, so that a part is never earlier than the one before it.

    Args:
        path: the folder.
        train, test: file names in it; where all lies in one file, ``test = ""`` and a split of one's own.
        valid: the name of the validation file, if there is one.
        columns: where the files are Parquet with a row a pair, what ``user_id`` and ``item_id`` are called there.
        items: an item table (.csv, .jsonl or .parquet).
        item_columns: ``item_id``, ``title``, ``category`` -> the item table's names, where they differ; a name
            that ends in .npy is a matrix beside it, a row an item.
    """

    timed: ClassVar[bool] = False  # times of different users mean nothing

    def __init__(
        self,
        path: str,
        train: str = "train.txt",
        test: str = "test.txt",
        valid: str | None = None,
        columns: dict[str, str] | None = None,
        items: str | None = None,
        item_columns: dict[str, str] | None = None,
    ) -> None:
        self.path, self.names = path, {"train": train, "valid": valid, "test": test}
        self.columns = columns or {}
        check_mapping(self.columns, ("user_id", "item_id"))
        self.described = Described(items, item_columns)

    def files(self) -> list[Path]:
        """Train, valid and test, then the item table."""
        return [*self._parts().values(), *self.described.files()]

    def read(self, scratch: Path) -> RawLog:  # noqa: ARG002 - the files are small enough to be read at once
        """Read the three files."""
        parts = self._parts()
        lists = {part: list(user_lists(path, self.columns)) for part, path in parts.items()}
        if "valid" in lists:
            lists["train"] = _without(lists["train"], lists["valid"])
        items = self.described.read()
        return RawLog(_SCHEMA, _batches(lists), tuple(str(path) for path in parts.values()), items)

    def _parts(self) -> dict[str, Path]:
        folder = Path(expand(self.path))
        if not folder.is_dir():
            raise Refused(f"{folder}: no such folder")
        return {part: existing(str(folder / name)) for part, name in self.names.items() if name}


def _without(train: list[UserList], valid: list[UserList]) -> list[UserList]:
    held: dict[str, set[str]] = {}
    for _, user, items in valid:
        held.setdefault(user, set()).update(items)
    return [UserList(line, user, [item for item in items if item not in held.get(user, ())]) for line, user, items in train]


def _batches(lists: dict[str, list[UserList]]) -> Iterator[pa.RecordBatch]:
    length: Counter[str] = Counter()  # of each user, over the parts so far
    for file, (part, rows) in enumerate(lists.items()):
        times: list[np.ndarray] = [np.empty(0, np.int64)]
        for _, user, items in rows:
            times.append(np.arange(length[user], length[user] + len(items)))
            length[user] += len(items)
        sizes = [len(items) for *_, items in rows]
        lines = np.repeat(np.array([line for line, *_ in rows], np.int64), sizes)
        columns = {
            "user_id": pa.array(np.repeat(np.array([user for _, user, _ in rows], dtype=object), sizes), pa.string()),
            "item_id": pa.array([item for *_, items in rows for item in items], pa.string()),
            "timestamp": pa.array(np.concatenate(times), pa.int64()).cast(pa.timestamp("us")),
            "part": pa.repeat(pa.scalar(part), len(lines)),
        }
        yield row_batch(_SCHEMA, columns, file, lines)
