"""Who asks: user ids and histories from a CSV, JSON-lines or Parquet file, a batch at a time, exactly as they are written."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, NoReturn

from recsys_cl.core.errors import Refused, nearest
from recsys_cl.serving.asked import who

USER, ITEMS = "user_id", "item_ids"

_LONGEST_LINE = 2**20


@dataclass(frozen=True, slots=True)
class People:
    """Some of those who ask, in the file's order."""

    ids: tuple[str | None, ...]  # None where only a history is given
    histories: tuple[Sequence[str] | None, ...] | None  # None: the file has no ``item_ids``


_Row = tuple[str, object, object]
"""Where it stands, the user, the history as they are written; None: nothing is."""


def read_people(path: Path, size: int) -> Iterator[People]:
    """Everybody in the file, ``size`` at a time, repeats included.

    There is a column ``user_id``, or ``item_ids`` (lists, oldest first; JSON lines and Parquet), or both. Blank lines at the
    end are no people.

    Raises:
        Refused: the file cannot be read as what its name says, or somebody in it has neither an id nor a history, or one that
            cannot be used; the message names file, column, line or row.
    """
    readers: dict[str, Callable[[Path], Iterator[_Row]]] = {".csv": _csv, ".jsonl": _jsonl, ".parquet": _parquet}
    if path.suffix not in readers:
        raise Refused(f"{path}: people are read from {', '.join(readers)} files")
    if not path.is_file():
        raise Refused(f"{path}: no such file")
    try:
        rows = readers[path.suffix](path)
        people = (
            (who(user, None if history is _ABSENT else history, f"{where}: "), history is not _ABSENT)
            for where, user, history in rows
        )
        while some := tuple(islice(people, size)):
            told = tuple(one.history for one, _ in some) if some[0][1] else None
            yield People(tuple(one.id for one, _ in some), told)
    except UnicodeDecodeError as error:
        raise Refused(f"{path}: not UTF-8 (byte {error.start})") from error


_ABSENT = object()
"""Stands for the history in files without ``item_ids``."""


def _csv(path: Path) -> Iterator[_Row]:
    with path.open(newline="", encoding="utf-8-sig") as stream:
        rows = csv.reader(stream, strict=True)
        try:
            header = next(rows, None)
            if header is None:
                raise Refused(f"{path}: empty")
            if ITEMS in header:
                raise Refused(f"{path}: a CSV cell holds no list; put {ITEMS} into JSON lines or Parquet")
            _require(path, header, (USER,))
            place, blank = header.index(USER), 0
            for row in rows:
                if not row:
                    blank = blank or rows.line_num
                    continue
                if blank or len(row) <= place:
                    raise Refused(f"{path}:{blank or rows.line_num}: no {USER}")
                yield f"{path}:{rows.line_num}", row[place] or None, _ABSENT
        except csv.Error as error:
            raise Refused(f"{path}:{rows.line_num}: {error}") from error


def _jsonl(path: Path) -> Iterator[_Row]:
    with path.open(encoding="utf-8") as stream:
        number, blank, listed = 0, 0, False
        while line := stream.readline(_LONGEST_LINE):
            number += 1
            if len(line) == _LONGEST_LINE:
                raise Refused(f"{path}:{number}: longer than {_LONGEST_LINE} characters")
            if not line.strip():
                blank = blank or number
                continue
            if blank:
                raise Refused(f"{path}:{blank}: no {USER}")
            record = _record(line, f"{path}:{number}")
            if number == 1:
                listed = ITEMS in record
            elif listed != (ITEMS in record):
                raise Refused(f"{path}:{number}: {ITEMS} must be in every line or in none; null says that there is no history")
            yield f"{path}:{number}", record.get(USER), record[ITEMS] if listed else _ABSENT


def _record(line: str, where: str) -> dict[str, Any]:
    try:
        record: Any = json.loads(line, parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        raise Refused(f"{where}: not JSON") from error
    if not isinstance(record, dict) or not {USER, ITEMS} & record.keys():
        raise Refused(f"{where}: no {USER}")
    return record


def _parquet(path: Path) -> Iterator[_Row]:
    import pyarrow
    from pyarrow import parquet

    try:
        with parquet.ParquetFile(path) as file:
            columns, number = _require(path, file.schema_arrow.names, (USER, ITEMS)), 0
            for batch in file.iter_batches(columns=columns):
                users, histories = (
                    batch.column(name).to_pylist() if name in columns else [absent] * batch.num_rows
                    for name, absent in ((USER, None), (ITEMS, _ABSENT))
                )
                for user, history in zip(users, histories, strict=True):
                    number += 1
                    yield f"{path}: row {number}", user, history
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


def _no_number(word: str) -> NoReturn:
    raise ValueError(f"{word} is no JSON")
