"""What one ingestion adds: the rows that no part holds yet, and the counts by which later ones are compared with it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

from recsys_cl.core.files import digest_file
from recsys_cl.ingest.engine import Engine
from recsys_cl.ingest.sorted_parquet import write_parquet
from recsys_cl.ingest.source import OPTIONAL
from recsys_cl.ingest.versions.identity import completed, hash_sums, microseconds, row_hash, same, total
from recsys_cl.ingest.versions.manifest import File, Input, Part

if TYPE_CHECKING:
    import ibis.expr.types as ir

ROWS, QUARANTINE = "interactions.parquet", "quarantine.parquet"
KEYS = {
    "users": pa.field("user_id", pa.string()),
    "items": pa.field("item_id", pa.string()),
    "hours": pa.field("hour", pa.int64()),  # since 1970 UTC
    "ratings": pa.field("rating", pa.float64()),  # to two decimals; only where there are ratings
}
"""The counts beside the rows: for each key, how many rows have it."""

_HOUR = 3_600_000_000


def subtract(run: Engine, rows: Path, older: Sequence[Path], left: Path) -> int:
    """Move to ``left`` the rows that none of ``older`` holds, in their order; returns how many there were besides.

    Rows equal in all columns are equal in time, and every file is sorted by time, so of the older files only the row
    groups of the new rows' span are read.
    """
    fresh = completed(run.parquet("fresh", rows))
    span = run.one(fresh.aggregate(first=microseconds(fresh).min(), last=microseconds(fresh).max()))
    known = pa.concat_tables([_known(run, fresh, path, number, span) for number, path in enumerate(older)] or [_no_rows()])
    if not len(known):
        rows.rename(left)
        return 0
    schema = pq.read_schema(rows)
    held = run.table("known", known)
    kept = fresh.anti_join(held, fresh.file_row_number == held.row).order_by("file_row_number").select(schema.names)
    write_parquet(left, schema, _typed(run.stream(kept), schema))
    return len(known)


def _known(run: Engine, fresh: ir.Table, path: Path, number: int, span: dict[str, int]) -> pa.Table:
    """The places in ``fresh`` of the rows that the file at ``path`` holds."""
    import ibis

    first, last = (ibis.literal(_moment(span[end]), "timestamp('UTC', 6)") for end in ("first", "last"))
    older = completed(run.parquet(f"older_{number}", path))
    older = older.filter((older.timestamp >= first) & (older.timestamp <= last)).view()
    found = older.inner_join(fresh, same(older, fresh)).select(row=fresh.file_row_number)
    return run.all(found).cast(_no_rows().schema)


def describe(run: Engine, folder: Path, inputs: Sequence[Input], watermark: int | None) -> Part:
    """Count the rows in ``folder``, write the counts beside them, and say what the part is made of.

    Args:
        run: the engine.
        folder: with the part's rows and quarantine.
        inputs: what was read.
        watermark: rows older than this, in microseconds after 1970, are late; None: nothing can be.
    """
    rows = completed(run.parquet("part", folder / ROWS))
    rows = rows.mutate(hash=row_hash(rows))
    time = microseconds(rows)
    late = (time < watermark).sum().fill_null(0) if watermark is not None else rows.count() * 0
    facts = run.one(rows.aggregate(rows=rows.count(), first=time.min(), last=time.max(), late=late, **hash_sums(rows.hash)))
    keys = {"users": rows.user_id, "items": rows.item_id, "hours": time // _HOUR, "ratings": rows.rating.round(2)}
    present = pq.read_schema(folder / ROWS).names
    for name, field in KEYS.items():
        if name != "ratings" or "rating" in present:
            _write_counts(run, rows.select(**{field.name: keys[name]}), field, folder / f"{name}.parquet")
    files = {p.name: File(sha256=digest_file(p), bytes=p.stat().st_size) for p in sorted(folder.iterdir())}
    summed = f"{total(facts.pop('high'), facts.pop('low')):032x}"
    columns = tuple(name for name in OPTIONAL if name in present)
    return Part(**facts, columns=columns, sum=summed, inputs=tuple(inputs), files=files)


def read_counts(folders: Sequence[Path], name: str) -> pa.Table:
    """The counts called ``name`` of several parts, one under the other, as ``key`` and ``rows``."""
    schema = pa.schema([KEYS[name], ("rows", pa.int64())])
    paths = [folder / f"{name}.parquet" for folder in folders]
    tables = [pq.read_table(path, page_checksum_verification=True) for path in paths if path.exists()]
    return pa.concat_tables([schema.empty_table(), *tables]).rename_columns(["key", "rows"])


def _write_counts(run: Engine, keys: ir.Table, field: pa.Field, path: Path) -> None:
    counts = keys.filter(keys[field.name].notnull()).group_by(field.name).aggregate(rows=lambda each: each.count())
    schema = pa.schema([field, ("rows", pa.int64())])
    write_parquet(path, schema, _typed(run.stream(counts.order_by(field.name)), schema))


def _typed(batches: Iterator[pa.RecordBatch], schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        yield pa.RecordBatch.from_arrays([batch.column(field.name).cast(field.type) for field in schema], schema=schema)


def _no_rows() -> pa.Table:
    return pa.schema([("row", pa.int64())]).empty_table()


def _moment(instant: int) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=instant)
