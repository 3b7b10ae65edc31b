"""Text ids become codes and rows come in time order: the relational half of preparing, out of core.

Everything is one Ibis expression over the Parquet log; sorting and joining spill to disk where memory is short, and
what returns to Python is integers.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from recsys_cl.core.errors import Refused, nearest
from recsys_cl.core.settings import Settings
from recsys_cl.ingest.coded_log import PARTS, CodedLog

_ROW = "file_row_number"  # DuckDB's name for the position in the file, which is the order of the log


class Positives(Settings):
    """What counts as an interaction worth recommending."""

    min_rating: float | None = None  # ratings below, or missing, are not positive
    events: tuple[str, ...] | None = None  # only these event types are


def code(interactions: Path, positives: Positives, scratch: Path, memory: str = "2GB") -> tuple[CodedLog, dict[str, int]]:
    """Read a log of the one schema as a ``CodedLog``.

    Args:
        interactions: Parquet with ``user_id``, ``item_id``, ``timestamp``, optionally ``rating``, ``event``, ``part``.
        positives: what to keep.
        scratch: where to spill.
        memory: what the engine may use before it spills.

    Returns:
        The log, and how many rows were ``logged`` and how many each filter removed.

    Raises:
        Refused: a filter needs a column or an event type that the log does not have, or nothing is positive.
    """
    import ibis

    engine = ibis.duckdb.connect(memory_limit=memory, temp_directory=str(scratch))
    try:
        log = engine.read_parquet(interactions, file_row_number=True)
        kept, counts = _filter(log, positives)
        return _coded(log, kept, complete=counts["logged"] == counts["positive"]), counts
    finally:
        engine.disconnect()


def _filter(log: Any, positives: Positives) -> tuple[Any, dict[str, int]]:
    counts = {"logged": int(log.count().execute()), "below_min_rating": 0, "other_events": 0}
    left = counts["logged"]
    kept = log
    if positives.min_rating is not None:
        _need(log, "rating", "prepare.min_rating")
        kept = kept.filter(kept.rating >= positives.min_rating)
        counts["below_min_rating"] = left - (left := int(kept.count().execute()))
    if positives.events is not None:
        _need(log, "event", "prepare.events")
        _need_events(log, positives.events)
        kept = kept.filter(kept.event.isin(positives.events))
        counts["other_events"] = left - (left := int(kept.count().execute()))
    if left == 0:
        story = ", ".join(f"{name} {number:,}" for name, number in counts.items())
        raise Refused(f"prepare: no interaction is left ({story})")
    return kept, {**counts, "positive": left}


def _need(log: Any, column: str, key: str) -> None:
    if column not in log.columns:
        raise Refused(f"{key}: the log has no column '{column}'")


def _need_events(log: Any, events: tuple[str, ...]) -> None:
    there = {event for event in log.select("event").distinct().to_pyarrow().column(0).to_pylist() if event is not None}
    for event in events:
        if event not in there:
            raise Refused(f"prepare.events: the log has no event '{event}'; {nearest(event, there)}")


def _coded(log: Any, kept: Any, *, complete: bool) -> CodedLog:
    import ibis

    users, items = (_codes(kept, name) for name in ("user", "item"))
    columns = {"user": "user", "item": "item", "timestamp": "timestamp"}
    if "part" in log.columns:
        numbered = [(name, number) for number, name in enumerate(PARTS)]
        kept = kept.mutate(part=kept.part.cases(*numbered, else_=-1).cast("int8"))
        columns["part"] = "part"
    rows = kept.join(ibis.memtable(users), "user_id").join(ibis.memtable(items), "item_id")
    table = rows.order_by("timestamp", _ROW).select(**columns).to_pyarrow()
    times = _times(table)
    return CodedLog(
        users=table.column("user").to_numpy(),
        items=table.column("item").to_numpy(),
        times=times,
        parts=table.column("part").to_numpy() if "part" in columns else None,
        clock=times if complete else _times(log.select("timestamp").order_by("timestamp").to_pyarrow()),
        user_ids=users.column(0).combine_chunks(),
        item_ids=items.column(0).combine_chunks(),
    )


def _codes(kept: Any, name: str) -> pa.Table:
    """The distinct ids in byte order beside their ranks."""
    ids = kept.select(f"{name}_id").distinct().order_by(f"{name}_id").to_pyarrow()
    return ids.append_column(name, pa.array(np.arange(len(ids), dtype=np.int32)))


def _times(table: pa.Table) -> NDArray[np.int64]:
    times: NDArray[np.int64] = table.column("timestamp").cast(pa.timestamp("us", "UTC")).cast(pa.int64()).to_numpy()
    return times
