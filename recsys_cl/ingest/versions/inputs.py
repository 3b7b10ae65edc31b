"""The files of one ingestion: found, told apart by format, known again by their content, and read as one log."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa

from recsys_cl.core.build import build
from recsys_cl.core.errors import Refused, nearest
from recsys_cl.core.files import digest_file, digest_json, read_fault
from recsys_cl.core.settings import Component
from recsys_cl.ingest.reading.layouts import grouped
from recsys_cl.ingest.reading.locate import locate
from recsys_cl.ingest.reading.physical import common, convert
from recsys_cl.ingest.reading.text import BOM, opening
from recsys_cl.ingest.settings import Ingest
from recsys_cl.ingest.source import OPTIONAL, REQUIRED, RawLog, Source, row_schema

ENDINGS = {"csv": (".csv", ".tsv"), "jsonl": (".jsonl", ".ndjson"), "parquet": (".parquet",)}
PACKED = ("", ".gz", ".zst")
FORMATS = (*ENDINGS, "auto")


@dataclass(frozen=True, slots=True)
class Found:
    """A file to read. ``address`` says what it holds and how it is read; ``state`` changes when somebody writes to it."""

    path: Path
    format: str
    sha256: str
    address: str
    state: tuple[int, int, int]


def find(
    paths: Sequence[str], form: str, columns: Mapping[str, str], settings: Ingest, delimiter: str | None = None
) -> list[Found]:
    """Every file that ``paths`` name, in order of name.

    Raises:
        Refused: an unknown format, a path that names no file, a file whose format its name and first byte do not tell, or one
            whose name is no text.
    """
    if form not in FORMATS:
        raise Refused(f"--format {form}: no such format; {nearest(form, FORMATS)}")
    endings = [e + p for name, ends in ENDINGS.items() if form in (name, "auto") for e in ends for p in PACKED]
    reading = {"columns": dict(columns), "unit": settings.timestamp_unit, "as_of": str(settings.as_of)}
    reading |= {} if delimiter is None else {"delimiter": delimiter}
    found = []
    for path in locate(list(paths), endings, data_sets=True):
        if (name := os.fsencode(path).decode("utf-8", "backslashreplace")) != str(path):
            raise Refused(f"{name}: the name is no UTF-8 text; rename the file")
        try:
            kind, state, sha256 = _format(path) if form == "auto" else form, _state(path), digest_file(path)
        except OSError as error:
            raise read_fault(path, error) from error
        found.append(Found(path, kind, sha256, digest_json({"sha256": sha256, "format": kind, **reading}), state))
    return found


def foreign(folder: Path, files: Sequence[Found]) -> list[Found]:
    """The files that are no part of the data set at ``folder`` itself, which may lie among its logs; another may not."""
    own = folder.resolve()
    found = [file for file in files if own not in file.path.resolve().parents]
    if not found:
        raise Refused(f"{folder}: nothing is to be read but the data set itself")
    return found


def refuse_changed(files: Sequence[Found]) -> None:
    """Refuse files that were written to while they were read: what was read is then not what was addressed."""
    for file in files:
        if _state(file.path) != file.state:
            raise Refused(f"{file.path}: changed while it was being read; ingest it when it is complete")


@dataclass(slots=True, eq=False)
class Reading:
    """One log over all files, of however many formats.

    ``rows`` counts what was read of each, by name; ``layouts`` are the distinct ones, once the log is open.
    """

    files: Sequence[Found]
    columns: Mapping[str, str]
    delimiter: str | None = None
    rows: Counter[str] = field(default_factory=Counter)
    layouts: list[dict[str, Any]] = field(default_factory=list)

    def open(self, scratch: Path) -> RawLog:
        """The log, in which files stand by format and then by name."""
        logs = [self._source(kind).read(scratch) for kind in dict.fromkeys(file.format for file in self.files)]
        names = [name for name in (*REQUIRED, *OPTIONAL) if any(name in log.schema.names for log in logs)]
        schema = row_schema(
            {name: common(log.schema.field(name).type for log in logs if name in log.schema.names) for name in names},
            faults=any("reason" in log.schema.names for log in logs),
        )
        files = tuple(name for log in logs for name in log.files)
        self.layouts = grouped(files, [layout for log in logs for layout in log.layouts])
        return RawLog(schema, self._batches(logs, schema), files)

    def _source(self, kind: str) -> Source:
        paths = [str(file.path) for file in self.files if file.format == kind]
        declared = {} if self.delimiter is None or kind != "csv" else {"delimiter": self.delimiter}
        component = Component(use=kind, **{"path": paths, "columns": dict(self.columns), **declared})
        source: Source = build("ingest.sources", component, "--columns")
        return source

    def _batches(self, logs: Sequence[RawLog], schema: pa.Schema) -> Iterator[pa.RecordBatch]:
        before = 0
        for log in logs:
            for batch in log.batches:
                if len(batch):
                    self.rows[log.files[batch.column("file")[0].as_py()]] += len(batch)
                yield _conformed(batch, schema, before)
            before += len(log.files)


def _conformed(batch: pa.RecordBatch, schema: pa.Schema, files_before: int) -> pa.RecordBatch:
    if files_before == 0 and batch.schema.equals(schema):
        return batch
    arrays = []
    for column in schema:
        if column.name not in batch.schema.names:
            values = pa.nulls(len(batch), column.type)
        elif column.name == "file":
            values = pa.repeat(pa.scalar(batch.column("file")[0].as_py() + files_before, pa.int32()), len(batch))
        else:
            values = convert(batch.column(column.name), batch.schema.field(column.name).type, column.type)
        arrays.append(values)
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def _format(path: Path) -> str:
    """The format by the name, and where the name says nothing by the first byte that does, unpacked where it is packed."""
    name = path.name.lower().removesuffix(".gz").removesuffix(".zst")
    for form, endings in ENDINGS.items():
        if name.endswith(endings):
            return form
    head = opening(path)
    if head.startswith(b"PAR1"):
        return "parquet"
    return "jsonl" if head.removeprefix(BOM).lstrip().startswith((b"{", b"[")) else "csv"


def _state(path: Path) -> tuple[int, int, int]:
    status = os.stat(path)  # noqa: PTH116 - one call for the three
    return status.st_size, status.st_mtime_ns, status.st_ino
