"""A data set of `recsys-cl ingest --out`, at one of its versions, as the source of a pipeline."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from recsys_cl.core.errors import Refused
from recsys_cl.ingest.engine import engine
from recsys_cl.ingest.reading.described import Described
from recsys_cl.ingest.reading.locate import expand
from recsys_cl.ingest.source import OPTIONAL, RawLog, row_schema
from recsys_cl.ingest.versions.identity import completed, row_hash
from recsys_cl.ingest.versions.lock import pinned
from recsys_cl.ingest.versions.manifest import Version, check_file, part_folder, read_part, read_version, version_file
from recsys_cl.ingest.versions.part import ROWS

_FOLDS = 1 << 12  # so many files of the folder's name, with 2^44 lines each
_MEMORY, _THREADS = "1GB", 1  # rows are hashed as they pass; the engine that reads them has its own limits


class DataSet:
    """The rows of one version, verified before they are read. What is committed meanwhile is not seen.

    Rows of one instant are ordered by their hash, because the order in which files arrived must not decide anything. So a
    row's file and line are 56 bits of its hash, and every file is called by the folder's name.

    Args:
        path: the folder.
        version: a version's number; by default the newest when the pipeline begins.
        items: an item table (.csv, .jsonl or .parquet).
        item_columns: ``item_id``, ``title``, ``category`` -> the item table's names, where they differ.
    """

    def __init__(
        self, path: str, version: int | None = None, items: str | None = None, item_columns: dict[str, str] | None = None
    ) -> None:
        self.path, self.number, self.described = path, version, Described(items, item_columns)

    @property
    def version(self) -> Version:
        """What is to be read: what was the newest when it was first asked for, where none is named."""
        found = read_version(self._folder, self.number)
        self.number = found.number
        return found

    def files(self) -> list[Path]:
        """The file that describes the version, on whose digest all others hang, then the item table."""
        return [version_file(self._folder, self.version.number), *self.described.files()]

    def read(self, scratch: Path) -> RawLog:
        """Verify the version's rows; then open them."""
        version = self.version
        paths = []
        for named in version.parts:
            part = read_part(self._folder, named)
            paths.append(part_folder(self._folder, named.name) / ROWS)
            check_file(paths[-1], part.files[ROWS])
        found = {name for path in paths for name in pq.read_schema(path).names}
        kinds = {"timestamp": pa.timestamp("us"), "rating": pa.float64(), "weight": pa.float64()}
        names = ["user_id", "item_id", "timestamp", *(name for name in OPTIONAL if name in found)]
        schema = row_schema({name: kinds.get(name, pa.string()) for name in names})
        items = self.described.read()
        batches = _batches(schema, version_file(self._folder, version.number), paths, scratch)
        return RawLog(schema, batches, (str(self._folder),) * _FOLDS, items, drift=version.drift)

    @property
    def _folder(self) -> Path:
        folder = Path(expand(self.path))
        if not folder.is_dir():
            raise Refused(f"{folder}: no such data set")
        return folder


def _batches(schema: pa.Schema, description: Path, paths: list[Path], scratch: Path) -> Iterator[pa.RecordBatch]:
    names = [name for name in schema.names if name not in ("file", "line", "field", "reason")]
    with pinned(description), engine(scratch, _MEMORY, _THREADS) as run:
        for number, path in enumerate(paths):
            rows = completed(run.parquet(f"part_{number}", path))
            place = (row_hash(rows) >> 72).cast("decimal(17,0)").cast("int64")
            for batch in run.stream(rows.select(*names, place=place)):
                yield _placed(batch, schema, names)


def _placed(batch: pa.RecordBatch, schema: pa.Schema, names: list[str]) -> pa.RecordBatch:
    columns = {name: _raw(batch.column(name), schema.field(name).type) for name in names}
    file, line = np.divmod(batch.column("place").cast(pa.int64()).to_numpy(), 1 << 44)
    arrays = {**columns, "file": pa.array(file, pa.int32()), "line": pa.array(line, pa.int64())}
    given = [arrays.get(field.name, pa.nulls(len(batch), field.type)) for field in schema]
    return pa.RecordBatch.from_arrays(given, schema=schema)


def _raw(values: pa.Array, kind: pa.DataType) -> pa.Array:
    return values.cast(pa.timestamp("us", "UTC")).cast(kind) if pa.types.is_timestamp(kind) else values.cast(kind)
