"""Files of lines ``user item item …``: one user a line, ids separated by blanks; or Parquet with a row a pair."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa

from recsys_cl.core.errors import Refused
from recsys_cl.ingest.reading.columns import missing
from recsys_cl.ingest.reading.physical import convert, text_kind
from recsys_cl.ingest.reading.tables import parquet_batches, parquet_schema
from recsys_cl.ingest.reading.text import blocks


class UserList(NamedTuple):
    """One line."""

    line: int  # physical, from 1
    user: str
    items: list[str]


def user_lists(path: Path, columns: Mapping[str, str] | None = None) -> Iterator[UserList]:
    """Every line that names a user; blank lines are passed over. Of a Parquet file every row, counted from 0.

    Args:
        path: the file; Parquet where its name ends so.
        columns: what ``user_id`` and ``item_id`` are called in a Parquet file, where they differ.

    Raises:
        Refused: a line of something else, such as comma-separated values: a user without blanks but with commas or tabs;
            or a Parquet file without the columns, or with ids that are neither text nor integers.
    """
    if path.suffix == ".parquet":
        yield from _pairs(path, {name: (columns or {}).get(name, name) for name in ("user_id", "item_id")})
        return
    for block in blocks(path):
        for line, text in enumerate(block.data.decode().split("\n"), start=block.line):
            if words := text.encode().split():  # bytes split on ASCII blanks only
                user, *items = (word.decode() for word in words)
                if not items and "," in user:
                    raise Refused(f"{path}: line {line}: expected 'user item item …' separated by blanks")
                yield UserList(line, user, items)


def _pairs(path: Path, columns: Mapping[str, str]) -> Iterator[UserList]:
    """The rows of a Parquet file, each a user with one item."""
    schema = parquet_schema(path)
    for ours, theirs in columns.items():
        if theirs not in schema.names:
            raise Refused(missing(path, ours, theirs, schema.names))
        if text_kind(schema.field(theirs).type) is None:
            raise Refused(f"{path}: column '{theirs}' is of type {schema.field(theirs).type}, which no id can be")
    row = 0
    for batch in parquet_batches(path, list(columns.values())):
        users, items = (convert(batch.column(name), pa.string(), pa.string()).to_pylist() for name in columns.values())
        yield from (UserList(row + at, user, [item]) for at, (user, item) in enumerate(zip(users, items, strict=True)))
        row += len(batch)
