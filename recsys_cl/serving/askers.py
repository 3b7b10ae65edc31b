"""Who asks: user ids read from a CSV, JSON-lines or Parquet file, a batch at a time, exactly as they are written."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from recsys_cl.core.errors import Refused, nearest

COLUMN = "user_id"

_LONGEST_LINE = 2**20


def read_users(path: Path, size: int) -> Iterator[tuple[object, ...]]:
    """The file's user ids in its order, ``size`` at a time, repeats included.

    Raises:
        Refused: the file cannot be read as what its name says; the message names file, column or line.
    """
    readers: dict[str, Callable[[Path], Iterable[object]]] = {
        ".csv": _csv,
        ".jsonl": _jsonl,
        ".parquet": _parquet,
    }
    if path.suffix not in readers:
        raise Refused(f"{path}: {COLUMN}s are read from {', '.join(readers)} files")
    if not path.is_file():
        raise Refused(f"{path}: no such file")
    try:
        ids = iter(readers[path.suffix](path))
        while some := tuple(islice(ids, size)):
            yield some
    except UnicodeDecodeError as error:
        raise Refused(f"{path}: not UTF-8 (byte {error.start})") from error


def _csv(path: Path) -> Iterator[object]:
    with path.open(newline="", encoding="utf-8-sig") as stream:
        rows = csv.reader(stream, strict=True)
        try:
            header = next(rows, None)
            if header is None:
                raise Refused(f"{path}: empty")
            place = _column(path, header)
            for row in rows:
                if len(row) <= place:
                    raise Refused(f"{path}:{rows.line_num}: no {COLUMN}")
                yield _given(path, rows.line_num, row[place])
        except csv.Error as error:
            raise Refused(f"{path}:{rows.line_num}: {error}") from error


def _jsonl(path: Path) -> Iterator[object]:
    with path.open(encoding="utf-8") as stream:
        number = 0
        while line := stream.readline(_LONGEST_LINE):
            number += 1
            if len(line) == _LONGEST_LINE:
                raise Refused(f"{path}:{number}: longer than {_LONGEST_LINE} characters")
            try:
                record: Any = json.loads(line)
            except (ValueError, RecursionError) as error:
                raise Refused(f"{path}:{number}: not JSON") from error
            if not isinstance(record, dict) or COLUMN not in record:
                raise Refused(f"{path}:{number}: no {COLUMN}")
            yield _given(path, number, record[COLUMN])


def _parquet(path: Path) -> Iterator[object]:
    import pyarrow
    from pyarrow import parquet

    try:
        with parquet.ParquetFile(path) as file:
            _column(path, file.schema_arrow.names)
            for batch in file.iter_batches(columns=[COLUMN]):
                yield from batch.column(0).to_pylist()
    except (pyarrow.ArrowException, OSError) as error:
        raise Refused(f"{path}: cannot be read as Parquet: {str(error).splitlines()[0]}") from error


def _column(path: Path, names: list[str]) -> int:
    if names.count(COLUMN) != 1:
        hint = nearest(COLUMN, names) if COLUMN not in names else "it stands there more than once"
        raise Refused(f"{path}: needs one column '{COLUMN}'; {hint}")
    return names.index(COLUMN)


def _given(path: Path, line: int, value: object) -> object:
    if value is None or value == "":
        raise Refused(f"{path}:{line}: empty {COLUMN}")
    return value
