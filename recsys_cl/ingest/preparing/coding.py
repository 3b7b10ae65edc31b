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

from recsys_cl.core.errors import Refused
from recsys_cl.ingest.engine import ROW, Engine, distinct
from recsys_cl.ingest.prepare import Prepare
from recsys_cl.ingest.preparing.coded_log import PARTS, Behaviours, CodedLog
from recsys_cl.ingest.preparing.positives import event_types, positives

if TYPE_CHECKING:
    import ibis.expr.types as ir

Columns = dict[str, NDArray[Any]]


def code(run: Engine, interactions: Path, settings: Prepare) -> tuple[CodedLog, dict[str, int]]:
    """Read a log of the one schema as a ``CodedLog``.

    Args:
        run: the engine that filters, joins and sorts.
        interactions: Parquet with ``user_id``, ``item_id``, ``timestamp`` and the optional columns.
        settings: what is positive, and whether behaviours are kept.

    Returns:
        The log, and how many rows were ``logged`` and how many each filter removed.

    Raises:
        Refused: a filter needs a column or an event type that the log does not have, or nothing is positive.
    """
    log = run.parquet("interactions", interactions)
    kept, human, counts = positives(run, log, settings)
    ids = {name: _ranked(run, kept, name) for name in ("user", "item")}
    ranks = {name: run.table(name, table) for name, table in ids.items()}
    coded = _coded(run, kept, ranks)
    complete = counts["logged"] == counts["positive"]
    clock = coded if complete else _columns(run, log.select("timestamp").order_by("timestamp"))
    return CodedLog(
        users=coded["user"],
        items=coded["item"],
        times=coded["timestamp"],
        parts=coded.get("part"),
        clock=clock["timestamp"],
        user_ids=ids["user"].column("user_id").combine_chunks(),
        item_ids=ids["item"].column("item_id").combine_chunks(),
        weights=coded.get("value"),
        behaviours=_behaviours(run, human, ranks) if settings.behaviours else None,
    ), counts


def _ranked(run: Engine, kept: ir.Table, name: str) -> pa.Table:
    """The distinct ids in byte order, beside their ranks."""
    ids = run.all(distinct(kept, f"{name}_id").order_by(f"{name}_id"))
    return ids.append_column(name, pa.array(np.arange(len(ids), dtype=np.int32)))


def _coded(run: Engine, kept: ir.Table, ranks: dict[str, ir.Table]) -> Columns:
    """``user``, ``item``, ``timestamp``, ``part`` and ``value``, where there are such, in order of time, then log."""
    names = [*ranks, "timestamp"]
    for name, table in ranks.items():
        kept = kept.join(table, f"{name}_id")
    if "part" in kept.columns:
        kept = kept.mutate(part=kept.part.cases(*zip(PARTS, range(len(PARTS)), strict=True), else_=-1).cast("int8"))
        names.append("part")
    return _columns(run, kept.order_by("timestamp", ROW).select(*names, *({"value"} & set(kept.columns))))


def _behaviours(run: Engine, log: ir.Table, ranks: dict[str, ir.Table]) -> Behaviours:
    """Every event between a user and an item that both have a code, positive or not."""
    if "event" not in log.columns:
        raise Refused("prepare.behaviours: the log has no column 'event'")
    types = event_types(run, log)
    for name, table in ranks.items():
        log = log.join(table, f"{name}_id")
    log = log.mutate(kind=log.event.cases(*((event, number) for number, event in enumerate(types)), else_=-1).cast("int32"))
    found = _columns(run, log.select(*ranks, "timestamp", "kind"))
    return Behaviours(tuple(types), found["user"], found["item"], found["timestamp"], found["kind"])


def _columns(run: Engine, rows: ir.Table) -> Columns:
    """Each column as one array; times as microseconds since 1970 UTC, weights as floats (some dialects: decimals)."""
    table = run.all(rows)
    columns = {name: table.column(name) for name in table.column_names}
    if "timestamp" in columns:
        columns["timestamp"] = columns["timestamp"].cast(pa.timestamp("us", "UTC")).cast(pa.int64())
    if "value" in columns:
        columns["value"] = columns["value"].cast(pa.float64())
    return {name: column.to_numpy() for name, column in columns.items()}
