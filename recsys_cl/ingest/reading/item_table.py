"""Tables of items and of users, from CSV, JSON lines or Parquet: the id as text and whatever else is known."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from recsys_cl.core.errors import Refused
from recsys_cl.ingest.reading.columns import missing
from recsys_cl.ingest.reading.delimited import read_rows
from recsys_cl.ingest.reading.features import ENDING, FOLDER, check_features, matrix, with_arrays, with_files
from recsys_cl.ingest.reading.objects import decode
from recsys_cl.ingest.reading.physical import convert, text_kind
from recsys_cl.ingest.reading.records import DELIMITERS, read_layout
from recsys_cl.ingest.reading.tables import parquet_batches, parquet_schema
from recsys_cl.ingest.reading.text import blocks

ITEM, USER = "item_id", "user_id"


def read_items(path: Path, columns: Mapping[str, str]) -> pa.Table:
    """The whole table with its columns renamed by ``columns`` (our name -> the file's, or an ``.npy`` beside it).

    Raises:
        Refused: a row that is none, features that are not finite, ragged or of another number of rows,
            a column that is missing or stands twice, or ids that are not text or integers.
    """
    return _read(path, columns, ITEM)


def read_users(path: Path, columns: Mapping[str, str]) -> pa.Table:
    """The same for a table of users, by ``user_id``."""
    return _read(path, columns, USER)


def _read(path: Path, columns: Mapping[str, str], key: str) -> pa.Table:
    name = path.name.removesuffix(".gz").removesuffix(".zst")
    readers = {".parquet": _parquet, ".csv": _csv, ".tsv": _csv, ".jsonl": _jsonl, ".ndjson": _jsonl, ENDING: _numbered}
    reader = readers.get(Path(name).suffix)
    if reader is None:
        raise Refused(f"{path}: a table of {_kind(key)}s ends in {', '.join(readers)}")
    theirs = {key: key, **{name: text for name, text in columns.items() if not text.endswith((ENDING, FOLDER))}}
    table = reader(path, theirs)
    for ours, wanted in theirs.items():
        if wanted not in table.column_names:
            raise Refused(missing(path, ours, wanted, table.column_names))
    ours_of = {wanted: ours for ours, wanted in theirs.items()}
    names = [ours_of.get(column, column) for column in table.column_names]
    for column in names:
        if names.count(column) > 1:
            raise Refused(f"{path}: column '{column}' stands {names.count(column)} times, once mapped and renamed")
    table = with_arrays(path, _with_text_ids(path, table.rename_columns(names), key), columns)
    table = with_files(path, table, columns, key)
    check_features(path, table, key)
    return table


def _kind(key: str) -> str:
    return key.removesuffix("_id")


def _with_text_ids(path: Path, table: pa.Table, key: str) -> pa.Table:
    position = table.column_names.index(key)
    kind = text_kind(table.schema.field(position).type)
    if kind is None:
        raise Refused(f"{path}: {key} is of type {table.schema.field(position).type}, which no id can be")
    ids = pa.chunked_array([convert(chunk, kind, kind) for chunk in table.column(position).chunks], kind)
    return table.set_column(position, key, ids)


def clean_items(table: pa.Table) -> tuple[pa.Table, dict[str, int]]:
    """Valid ids only, each once (its first row), ordered by id; and how many rows were dropped for which reason."""
    return _clean(table, ITEM)


def clean_users(table: pa.Table) -> tuple[pa.Table, dict[str, int]]:
    """The same for a table of users."""
    return _clean(table, USER)


def _clean(table: pa.Table, key: str) -> tuple[pa.Table, dict[str, int]]:
    ids = table[key]
    bad = pc.or_kleene(pc.equal(ids, ""), pc.match_substring_regex(ids, r"\p{Cc}"))
    long = pc.greater(pc.binary_length(ids), 1024)
    valid = table.filter(pc.invert(pc.fill_null(pc.or_(bad, long), fill_value=True)))
    numbered = pa.table({key: valid[key], "row": pa.array(range(len(valid)), pa.int64())})
    first = numbered.group_by(key).aggregate([("row", "min")]).sort_by(key)
    kept = valid.take(first["row_min"])
    return kept, {f"{_kind(key)}s_bad": len(table) - len(valid), f"{_kind(key)}s_repeated": len(valid) - len(kept)}


def _parquet(path: Path, _: Mapping[str, str]) -> pa.Table:
    schema = parquet_schema(path).remove_metadata()
    return pa.Table.from_batches(parquet_batches(path, schema.names), schema)


def _numbered(path: Path, _: Mapping[str, str]) -> pa.Table:
    """Items that are known by their row alone, ``"0"`` for the first; ``columns`` says what the matrix is called."""
    return pa.table({"item_id": [str(row) for row in range(len(matrix(path)))]})


def _csv(path: Path, columns: Mapping[str, str]) -> pa.Table:
    layout = read_layout(path, DELIMITERS, tuple(columns.values()))
    texts: dict[int, list[str]] = {position: [] for position in range(len(layout.header))}
    for rows in read_rows(path, layout, list(texts)):
        for line, _, reason in rows.faults:
            raise Refused(f"{path}: line {line}: {reason}")
        for position, values in rows.columns.items():
            texts[position].extend(values.to_pylist() if isinstance(values, pa.ChunkedArray) else values)
    return pa.Table.from_arrays([pa.array(values, pa.string()) for values in texts.values()], names=list(layout.header))


def _jsonl(path: Path, _: Mapping[str, str]) -> pa.Table:
    records = list(_objects(path))
    names = list(dict.fromkeys(key for record in records for key in record))
    return pa.table({name: _column([record.get(name) for record in records]) for name in names})


def _objects(path: Path) -> Iterator[dict[str, Any]]:
    for block in blocks(path):
        for number, text in enumerate(block.data.decode().split("\n"), start=block.line):
            if text.strip(" \t\r"):
                try:
                    record = decode(text)
                    json.dumps(record, ensure_ascii=False).encode()
                except UnicodeEncodeError as error:
                    raise Refused(f"{path}: line {number}: a lone surrogate, which is no text") from error
                except Refused as error:
                    raise Refused(f"{path}: line {number}: {error}") from error
                yield record


def _column(values: list[Any]) -> pa.Array:
    """Values of one type as that type; of several, text as it is and everything else as JSON."""
    try:
        return pa.array(values)
    except (pa.ArrowException, OverflowError):
        return pa.array(
            [value if value is None or isinstance(value, str) else json.dumps(value) for value in values], pa.string()
        )
