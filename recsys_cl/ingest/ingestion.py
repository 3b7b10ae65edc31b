"""A raw log becomes interactions, items, a quarantine and an account of every row."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from recsys_cl.core.errors import Refused
from recsys_cl.ingest.contract import judge
from recsys_cl.ingest.engine import engine
from recsys_cl.ingest.item_table import clean_items
from recsys_cl.ingest.settings import Ingest
from recsys_cl.ingest.sorted_parquet import write_parquet
from recsys_cl.ingest.source import RawLog

if TYPE_CHECKING:
    import ibis.expr.types as ir

TYPES = {
    "user_id": pa.string(),
    "item_id": pa.string(),
    "timestamp": pa.timestamp("us", "UTC"),
    "rating": pa.float64(),
    "event": pa.string(),
    "weight": pa.float64(),
    "part": pa.string(),
}
"""The columns of ``interactions``, in order; the optional ones only where the log has them."""

QUARANTINE = pa.schema([("file", pa.string()), ("line", pa.int64()), ("field", pa.string()), ("reason", pa.string())])
_FILE = 1 << 44  # more lines than a file can have: (file, line) as one number


@dataclass(frozen=True, slots=True)
class Outputs:
    """Where the results go; nothing here exists before."""

    interactions: Path
    items: Path
    quarantine: Path


def ingest(log: RawLog, settings: Ingest, scratch: Path, out: Outputs, seen: Callable[[int], None]) -> dict[str, Any]:
    """Judge every row, write the three tables and return the account of them.

    ``interactions`` are sorted by time, then log order; of rows equal in all columns the first is kept. The account
    holds ``rows_in = rows_kept + rows_quarantined + rows_deduplicated``, and ``users, items, first, last``. ``seen`` is told
    how many rows have been read.

    Raises:
        Refused: too many bad rows, or no good one.
        Unavailable: the disk is full.
    """
    with engine(scratch, settings.memory_limit, settings.threads) as run:
        import ibis

        raw = ibis.table(ibis.Schema.from_pyarrow(log.schema), name="log_raw")
        if "reason" not in raw.columns:
            raw = raw.mutate(field=ibis.null("string"), reason=ibis.null("string"))
        judged, reasons = judge(raw, settings.timestamp_unit, _as_of(settings))
        run.feed("log", _counted(log.batches, seen), log.schema, judged)
        rows = ibis.table(judged.schema(), name="log")
        bad = rows.filter(rows.fault != 0).order_by("file", "line", "fault")
        counts = run.one(rows.aggregate(rows_in=rows.count(), rows_quarantined=(rows.fault != 0).sum().fill_null(0)))
        examples = _quarantine(run.stream(bad.limit(1)), log.files, reasons)
        _refuse_bad(counts, [row for batch in examples for row in batch.to_pylist()], settings.max_bad_fraction)
        write_parquet(out.quarantine, QUARANTINE, _quarantine(run.stream(bad), log.files, reasons))
        good = rows.filter(rows.fault == 0)
        kept = _once(good)
        schema = pa.schema([(name, kind) for name, kind in TYPES.items() if name in log.schema.names])
        counts["rows_kept"] = write_parquet(out.interactions, schema, _typed(run.stream(kept), schema))
        counts["rows_deduplicated"] = counts["rows_in"] - counts["rows_quarantined"] - counts["rows_kept"]
        span = run.one(
            good.aggregate(
                users=good.user_id.nunique(),
                items=good.item_id.nunique(),
                first=good.timestamp.min(),
                last=good.timestamp.max(),
            )
        )
        table = log.items
        if table is None:
            table = pa.Table.from_batches(run.stream(good.select("item_id").distinct()), pa.schema([("item_id", pa.string())]))
        items, dropped = clean_items(table)
        write_parquet(out.items, items.schema, items.to_batches())
    return counts | span | dropped | {name: _iso(span[name]) for name in ("first", "last")} | {"items_listed": len(items)}


def _once(good: ir.Table) -> ir.Table:
    """Each distinct row at its first place, in order of time and then of the log."""
    place = good.file.cast("int64") * _FILE + good.line
    columns = [name for name in good.columns if name in TYPES]
    return good.group_by(columns).aggregate(place=place.min()).order_by("timestamp", "place")


def _typed(batches: Iterator[pa.RecordBatch], schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        arrays = [batch.column(field.name).cast(field.type) for field in schema]
        yield pa.RecordBatch.from_arrays(arrays, schema=schema)


def _quarantine(
    batches: Iterator[pa.RecordBatch], files: Sequence[str], reasons: Sequence[tuple[str, str]]
) -> Iterator[pa.RecordBatch]:
    fields, sentences = (pa.array(["", *column]) for column in zip(*reasons, strict=True))
    for batch in batches:
        fault = batch.column("fault")
        own = pc.less(fault, 0)
        index = pc.if_else(own, 0, fault)
        yield pa.RecordBatch.from_arrays(
            [
                pa.array(files).take(batch.column("file")),
                batch.column("line"),
                pc.if_else(own, batch.column("field"), fields.take(index)),
                pc.if_else(own, batch.column("reason"), sentences.take(index)),
            ],
            schema=QUARANTINE,
        )


def _refuse_bad(counts: dict[str, Any], examples: Sequence[dict[str, Any]], limit: float) -> None:
    rows, bad = counts["rows_in"], counts["rows_quarantined"]
    if rows == 0:
        raise Refused("the log holds no rows")
    if bad == 0:
        return
    first = examples[0]
    example = f"the first: {first['file']}: line {first['line']}: {first['field']} {first['reason']}"
    if bad > limit * rows:
        raise Refused(f"{bad} of {rows} rows are bad, more than max_bad_fraction = {limit:g}; {example}")
    if bad == rows:
        raise Refused(f"no good row is left of {rows}; {example}")


def _counted(batches: Iterator[pa.RecordBatch], seen: Callable[[int], None]) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        yield batch
        seen(len(batch))


def _as_of(settings: Ingest) -> int | None:
    if settings.as_of is None:
        return None
    moment = settings.as_of if settings.as_of.tzinfo else settings.as_of.replace(tzinfo=UTC)
    since = moment - datetime(1970, 1, 1, tzinfo=UTC)
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


def _iso(microseconds: int) -> str:
    return datetime.fromtimestamp(microseconds // 1_000_000, UTC).replace(microsecond=microseconds % 1_000_000).isoformat()
