"""Who asks: user ids and histories from a CSV, JSON-lines or Parquet file, a batch at a time, exactly as they are written."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, NoReturn

from recsys_cl.core.errors import Refused, nearest
from recsys_cl.serving.asked import id_text

USER, ITEMS = "user_id", "item_ids"

_LONGEST_LINE = 2**20


@dataclass(frozen=True, slots=True)
class People:
    """Some of those who ask, in the file's order."""

    ids: tuple[object, ...]  # None where only a history is given
    histories: tuple[Any, ...] | None  # None: the file has no ``item_ids``


def read_people(path: Path, size: int) -> Iterator[People]:
    """Everybody in the file, ``size`` at a time, repeats included.

    There is a column ``user_id``, or ``item_ids`` (lists, oldest first; JSON lines and Parquet), or both.

    Raises:
        Refused: the file cannot be read as what its name says; the message names file, column or line.
    """
    readers: dict[str, Callable[[Path], Iterable[tuple[object, object]]]] = {
        ".csv": _csv,
        ".jsonl": _jsonl,
        ".parquet": _parquet,
    }
    if path.suffix not in readers:
        raise Refused(f"{path}: people are read from {', '.join(readers)} files")
    if not path.is_file():
        raise Refused(f"{path}: no such file")
    try:
        people = iter(readers[path.suffix](path))
        while some := tuple(islice(people, size)):
            ids, histories = zip(*some, strict=True)
            yield People(ids, None if histories[0] is _ABSENT else histories)
    except UnicodeDecodeError as error:
        raise Refused(f"{path}: not UTF-8 (byte {error.start})") from error


_ABSENT = object()
"""Stands for the history in files without ``item_ids``."""


def _csv(path: Path) -> Iterator[tuple[object, object]]:
    with path.open(newline="", encoding="utf-8-sig") as stream:
        rows = csv.reader(stream, strict=True)
        try:
            header = next(rows, None)
            if header is None:
                raise Refused(f"{path}: empty")
            if ITEMS in header:
                raise Refused(f"{path}: a CSV cell holds no list; put {ITEMS} into JSON lines or Parquet")
            _require(path, header, (USER,))
            place = header.index(USER)
            for row in rows:
                if len(row) <= place:
                    raise Refused(f"{path}:{rows.line_num}: no {USER}")
                yield _given(path, rows.line_num, row[place]), _ABSENT
        except csv.Error as error:
            raise Refused(f"{path}:{rows.line_num}: {error}") from error


def _jsonl(path: Path) -> Iterator[tuple[object, object]]:
    with path.open(encoding="utf-8") as stream:
        number, listed = 0, False
        while line := stream.readline(_LONGEST_LINE):
            number += 1
            if len(line) == _LONGEST_LINE:
                raise Refused(f"{path}:{number}: longer than {_LONGEST_LINE} characters")
            try:
                record: Any = json.loads(line, parse_constant=_no_number)
            except (ValueError, RecursionError) as error:
                raise Refused(f"{path}:{number}: not JSON") from error
            if not isinstance(record, dict) or not {USER, ITEMS} & record.keys():
                raise Refused(f"{path}:{number}: no {USER}")
            if number == 1:
                listed = ITEMS in record
            elif listed != (ITEMS in record):
                raise Refused(f"{path}:{number}: {ITEMS} must be in every line or in none; null says that there is no history")
            yield (
                _one(path, number, record.get(USER), record[ITEMS]) if listed else (_given(path, number, record[USER]), _ABSENT)
            )


def _parquet(path: Path) -> Iterator[tuple[object, object]]:
    import pyarrow
    from pyarrow import parquet

    try:
        with parquet.ParquetFile(path) as file:
            names = file.schema_arrow.names
            columns = _require(path, names, (USER, ITEMS))
            for batch in file.iter_batches(columns=columns):
                values = {name: batch.column(name).to_pylist() for name in columns}
                none = [None] * batch.num_rows
                yield from zip(values.get(USER, none), values.get(ITEMS, [_ABSENT] * batch.num_rows), strict=True)
    except (pyarrow.ArrowException, OSError) as error:
        raise Refused(f"{path}: cannot be read as Parquet: {str(error).splitlines()[0]}") from error


def _require(path: Path, names: list[str], wanted: tuple[str, ...]) -> list[str]:
    """Those of ``wanted`` that are there, each once; at least one must be."""
    found = [name for name in wanted if name in names]
    if not found:
        raise Refused(f"{path}: needs one column '{USER}'; {nearest(USER, names)}")
    for name in found:
        if names.count(name) > 1:
            raise Refused(f"{path}: needs one column '{name}'; it stands there more than once")
    return found


def _one(path: Path, line: int, user: object, history: object) -> tuple[object, object]:
    if history is None:
        return _given(path, line, user), None
    if not isinstance(history, list):
        raise Refused(f"{path}:{line}: {ITEMS} must be a list of item ids")
    return (None if user is None else _given(path, line, user)), history


def _given(path: Path, line: int, value: object) -> object:
    if value is None or value == "":
        raise Refused(f"{path}:{line}: empty {USER}")
    try:
        return id_text(value)
    except Refused as error:
        raise Refused(f"{path}:{line}: {error}") from None


def _no_number(word: str) -> NoReturn:
    raise ValueError(f"{word} is no JSON")
