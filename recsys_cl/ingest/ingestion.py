"""A raw log becomes interactions, items, a quarantine and an account of every row."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from recsys_cl.ingest.ahead import ahead
from recsys_cl.ingest.contract import judge
from recsys_cl.ingest.engine import Engine, engine, mixed
from recsys_cl.ingest.id_columns import ids_of
from recsys_cl.ingest.quarantine import quarantine
from recsys_cl.ingest.reading.item_table import clean_items
from recsys_cl.ingest.settings import Ingest
from recsys_cl.ingest.sorted_parquet import write_parquet
from recsys_cl.ingest.source import OPTIONAL, RawLog

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
"""The columns of ``interactions``, in order; an optional one only where some row has a value."""


@dataclass(frozen=True, slots=True)
class Outputs:
    """Where the tables go."""

    interactions: Path
    items: Path
    quarantine: Path


def ingest(log: RawLog, settings: Ingest, scratch: Path, out: Outputs, seen: Callable[[int], None]) -> dict[str, Any]:
    """Judge every row, write the three tables and return the account of them.

    ``interactions`` are sorted by time, then log order; of rows equal in all columns the first is kept. The account holds
    ``rows_in = rows_kept + rows_quarantined + rows_deduplicated``, ``users, items, first, last``, and of the item table
    ``items_listed, items_bad, items_repeated``. ``seen`` is told of rows as they are read.

    Raises:
        Refused: too many bad rows, or no good one.
        Unavailable: memory or disk ran out.
    """
    import ibis

    with engine(scratch, settings.memory_limit, settings.threads, settings.engine) as run:
        raw = ibis.table(ibis.Schema.from_pyarrow(log.schema), name="log_raw")
        judged, reasons = judge(raw, settings.timestamp_unit, _as_of(settings))
        run.feed("log", _counted(ahead(log.batches), seen), log.schema, judged)
        rows, ids = ids_of(run, ibis.table(judged.schema(), name="log"), reasons)
        counts = quarantine(run, rows, reasons, log.files, settings.max_bad_fraction, out.quarantine)
        good = rows.filter(rows.fault == 0)
        distinct = {"users": ids["user_id"], "items": ids["item_id"]}
        facts = {name: run.one(table.aggregate(ids=table.count()))["ids"] for name, table in distinct.items()}
        facts |= run.one(_facts(good))
        found = counts["rows_in"] - counts["rows_quarantined"]
        kept = _write_interactions(run, good, found, [name for name in OPTIONAL if facts.pop(name, 0)], out.interactions)
        listed = _write_items(log.items if log.items is not None else run.all(ids["item_id"]), out.items)
    repeated = found - kept
    times = {name: _iso(facts.pop(name)) for name in ("first", "last")}
    return {**counts, "rows_kept": kept, "rows_deduplicated": repeated, **facts, **times, **listed}


def _facts(good: ir.Table) -> ir.Table:
    """One row: first, last, and for each optional column how many rows have it."""
    present = {name: good[name].count() for name in OPTIONAL if name in good.columns}
    return good.aggregate(first=good.timestamp.min(), last=good.timestamp.max(), **present)


def _write_interactions(run: Engine, good: ir.Table, count: int, optional: list[str], path: Path) -> int:
    """Each distinct row at its first place, in order of time and then of the log; returns how many there are."""
    schema = pa.schema([(name, kind) for name, kind in TYPES.items() if name not in OPTIONAL or name in optional])
    once = _once(run, good, schema.names, count).order_by("timestamp", "place")
    return write_parquet(path, schema, _typed(run.stream(once), schema))


def _once(run: Engine, good: ir.Table, columns: list[str], count: int) -> ir.Table:
    """The rows without their repeats. Few rows repeat, so few are grouped: those whose number is not theirs alone."""
    rows = good.select("place", *columns, number=mixed(*(good[name] for name in columns)))
    numbers = _shared(run.stream(rows.select("number")), count)
    if len(numbers) == 0:
        return rows.drop("number")
    shared = run.table("shared", pa.table({"number": numbers}))
    doubtful = rows.semi_join(shared, "number")
    first = doubtful.group_by(columns).aggregate(place=doubtful.place.min())
    return rows.anti_join(shared, "number").drop("number").union(first.select("place", *columns))


def _shared(batches: Iterator[pa.RecordBatch], count: int) -> NDArray[np.int64]:
    """The numbers that stand more than once; sorting them here takes eight bytes a row and a quarter of grouping them there."""
    numbers, end = np.empty(count, dtype=np.int64), 0
    for batch in batches:
        begin, end = end, end + len(batch)
        numbers[begin:end] = batch.column("number").to_numpy()
    numbers.sort()
    return np.unique(numbers[1:][numbers[1:] == numbers[:-1]])


def _typed(batches: Iterator[pa.RecordBatch], schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        arrays = [batch.column(field.name).cast(field.type) for field in schema]
        yield pa.RecordBatch.from_arrays(arrays, schema=schema)


def _write_items(table: pa.Table, path: Path) -> dict[str, int]:
    items, dropped = clean_items(table)
    return {"items_listed": write_parquet(path, items.schema, items.to_batches()), **dropped}


def _counted(batches: Iterator[pa.RecordBatch], seen: Callable[[int], None]) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        yield batch
        seen(len(batch))


def _as_of(settings: Ingest) -> int | None:
    """The last time allowed, in microseconds after 1970."""
    if settings.as_of is None:
        return None
    moment = settings.as_of if settings.as_of.tzinfo else settings.as_of.replace(tzinfo=UTC)
    since = moment - datetime(1970, 1, 1, tzinfo=UTC)
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


def _iso(microseconds: int) -> str:
    whole, fraction = divmod(microseconds, 1_000_000)
    return datetime.fromtimestamp(whole, UTC).replace(microsecond=fraction).isoformat()
