"""Text ids become codes and rows come in time order: the relational half of preparing, out of core.

Everything is one Ibis expression over the Parquet log; sorting and joining spill to disk where memory is short, and
what returns to Python is integers.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from recsys_cl.core.errors import Refused, nearest
from recsys_cl.ingest.engine import ROW, Engine, distinct
from recsys_cl.ingest.preparing.coded_log import PARTS, CodedLog

if TYPE_CHECKING:
    import ibis.expr.types as ir


def code(
    run: Engine, interactions: Path, min_rating: float | None = None, events: tuple[str, ...] | None = None
) -> tuple[CodedLog, dict[str, int]]:
    """Read a log of the one schema as a ``CodedLog``.

    Args:
        run: the engine that filters, joins and sorts.
        interactions: Parquet with ``user_id``, ``item_id``, ``timestamp``, optionally ``rating``, ``event``, ``part``.
        min_rating: rows whose rating is below, or missing, are not positive.
        events: only these event types are positive.

    Returns:
        The log, and how many rows were ``logged`` and how many each filter removed.

    Raises:
        Refused: a filter needs a column or an event type that the log does not have, or nothing is positive.
    """
    log = run.parquet("interactions", interactions)
    kept, counts = _filter(run, log, min_rating, events)
    ranks = {name: _ranked(run, kept, name) for name in ("user", "item")}
    coded = _coded(run, kept, ranks)
    complete = counts["logged"] == counts["positive"]
    clock = coded if complete else _columns(run, log.select("timestamp").order_by("timestamp"))
    return CodedLog(
        users=coded["user"],
        items=coded["item"],
        times=coded["timestamp"],
        parts=coded.get("part"),
        clock=clock["timestamp"],
        user_ids=ranks["user"].column("user_id").combine_chunks(),
        item_ids=ranks["item"].column("item_id").combine_chunks(),
    ), counts


def _filter(
    run: Engine, log: ir.Table, min_rating: float | None, events: tuple[str, ...] | None
) -> tuple[ir.Table, dict[str, int]]:
    counts = {"logged": _count(run, log), "below_min_rating": 0, "other_events": 0}
    left = counts["logged"]
    kept = log
    if min_rating is not None:
        _need(log, "rating", "prepare.min_rating")
        kept = kept.filter(kept.rating >= min_rating)
        counts["below_min_rating"] = left - (left := _count(run, kept))
    if events is not None:
        _need(log, "event", "prepare.events")
        _need_events(run, log, events)
        kept = kept.filter(kept.event.isin(events))
        counts["other_events"] = left - (left := _count(run, kept))
    if left == 0:
        story = ", ".join(f"{name} {number:,}" for name, number in counts.items())
        raise Refused(f"prepare: no interaction is left ({story})")
    return kept, {**counts, "positive": left}


def _count(run: Engine, rows: ir.Table) -> int:
    return int(run.one(rows.aggregate(rows=rows.count()))["rows"])


def _need(log: ir.Table, column: str, key: str) -> None:
    if column not in log.columns:
        raise Refused(f"{key}: the log has no column '{column}'")


def _need_events(run: Engine, log: ir.Table, events: tuple[str, ...]) -> None:
    there = {event for event in run.all(distinct(log, "event")).column(0).to_pylist() if event is not None}
    for event in events:
        if event not in there:
            raise Refused(f"prepare.events: the log has no event '{event}'; {nearest(event, there)}")


def _ranked(run: Engine, kept: ir.Table, name: str) -> pa.Table:
    """The distinct ids in byte order, beside their ranks."""
    ids = run.all(distinct(kept, f"{name}_id").order_by(f"{name}_id"))
    return ids.append_column(name, pa.array(np.arange(len(ids), dtype=np.int32)))


def _coded(run: Engine, kept: ir.Table, ranks: dict[str, pa.Table]) -> dict[str, NDArray[Any]]:
    """``user``, ``item``, ``timestamp`` and ``part``, where the log has it, in order of time, then log."""
    names = [*ranks, "timestamp"]
    for name, table in ranks.items():
        kept = kept.join(run.table(name, table), f"{name}_id")
    if "part" in kept.columns:
        kept = kept.mutate(part=kept.part.cases(*zip(PARTS, range(len(PARTS)), strict=True), else_=-1).cast("int8"))
        names.append("part")
    return _columns(run, kept.order_by("timestamp", ROW).select(*names))


def _columns(run: Engine, rows: ir.Table) -> dict[str, NDArray[Any]]:
    """Each column as one array; times as microseconds since 1970 UTC."""
    table = run.all(rows)
    if "timestamp" in table.column_names:
        times = table.column("timestamp").cast(pa.timestamp("us", "UTC")).cast(pa.int64())
        table = table.set_column(table.column_names.index("timestamp"), "timestamp", times)
    return {name: table.column(name).to_numpy() for name in table.column_names}
