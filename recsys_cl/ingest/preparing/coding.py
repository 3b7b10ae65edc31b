"""Text ids become codes and rows come in time order: the last step in which rows come from an engine.

Filters and joins are Ibis expressions over the Parquet log; what leaves the engine, in batches, is numbered as it comes,
since joining each row with the number of its id, and sorting what is sorted, would take several times as long.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from recsys_cl.core.errors import Refused
from recsys_cl.ingest.ahead import ahead
from recsys_cl.ingest.engine import ROW, Engine
from recsys_cl.ingest.prepare import Prepare
from recsys_cl.ingest.preparing.coded_log import PARTS, Behaviours, CodedLog
from recsys_cl.ingest.preparing.ids import Ids
from recsys_cl.ingest.preparing.positives import event_types, positives

if TYPE_CHECKING:
    import ibis.expr.types as ir

Columns = dict[str, NDArray[Any]]
Pieces = dict[str, list[NDArray[Any]]]


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
    coded, ids = _coded(run, kept)
    complete = counts["logged"] == counts["positive"]
    clock = coded["timestamp"] if complete else np.sort(_columns(run.stream(log.select("timestamp")))["timestamp"])
    return CodedLog(
        users=coded["user_id"],
        items=coded["item_id"],
        times=coded["timestamp"],
        parts=coded.get("part"),
        clock=clock,
        user_ids=ids["user_id"],
        item_ids=ids["item_id"],
        weights=coded.get("value"),
        behaviours=_behaviours(run, human, ids) if settings.behaviours else None,
    ), counts


def _coded(run: Engine, kept: ir.Table) -> tuple[Columns, dict[str, pa.Array]]:
    """Codes, times and, where there are such, ``part`` and ``value``, in order of time, then log; and the ids by code."""
    names = ["user_id", "item_id", "timestamp", ROW]
    if "part" in kept.columns:
        kept = kept.mutate(part=kept.part.cases(*zip(PARTS, range(len(PARTS)), strict=True), else_=-1).cast("int8"))
        names.append("part")
    found, ids = {"user_id": Ids(), "item_id": Ids()}, {}
    pieces = _pieces(_numbered(ahead(run.stream(kept.select(*names, *({"value"} & set(kept.columns))))), found))
    for name, column in found.items():
        ids[name], pieces[name] = column.ranked()
    columns = _as_logged(pieces, pieces.pop(ROW))
    if (columns["timestamp"][1:] < columns["timestamp"][:-1]).any():  # ingestion sorts; others may not have
        order = np.argsort(columns["timestamp"], kind="stable")
        columns = {name: column[order] for name, column in columns.items()}
    return columns, ids


def _numbered(batches: Iterator[pa.RecordBatch], ids: dict[str, Ids]) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        for name, column in ids.items():
            column.add(batch.column(name))
        yield batch.drop_columns(list(ids))


def _as_logged(pieces: Pieces, rows: list[NDArray[Any]]) -> Columns:
    """Columns in the order of ``rows``, which are distinct and in no order: each value is put where it stands.

    Pieces are let go as they are put: a log of many rows is nearly all the memory there is.
    """
    length = 1 + max(int(piece.max()) for piece in rows)
    there = np.zeros(length, dtype=np.bool_)
    for piece in rows:
        there[piece] = True
    whole, columns = bool(there.all()), {}
    for name in list(pieces):
        values = pieces.pop(name)
        placed = np.empty(length, dtype=values[0].dtype)
        for place in reversed(rows):
            placed[place] = values.pop()
        columns[name] = placed if whole else placed[there]
    return columns


def _behaviours(run: Engine, log: ir.Table, ids: dict[str, pa.Array]) -> Behaviours:
    """Every event between a user and an item that both have a code, positive or not."""
    if "event" not in log.columns:
        raise Refused("prepare.behaviours: the log has no column 'event'")
    types = event_types(run, log)
    for name, known in ids.items():
        ranks = pa.table({name: known, f"{name}_rank": np.arange(len(known), dtype=np.int32)})
        log = log.join(run.table(f"ranks_of_{name}", ranks), name)
    log = log.mutate(kind=log.event.cases(*((event, number) for number, event in enumerate(types)), else_=-1).cast("int32"))
    found = _columns(run.stream(log.select("user_id_rank", "item_id_rank", "timestamp", "kind")))
    return Behaviours(tuple(types), found["user_id_rank"], found["item_id_rank"], found["timestamp"], found["kind"])


def _columns(batches: Iterator[pa.RecordBatch]) -> Columns:
    """Each column as one array."""
    return {name: np.concatenate(arrays) for name, arrays in _pieces(batches).items()}


def _pieces(batches: Iterator[pa.RecordBatch]) -> Pieces:
    """Each column as an array a batch; times as microseconds since 1970 UTC, weights as floats (some dialects: decimals).

    Copied, because a view of one column would keep the whole batch of the engine's, ids and all.
    """
    found: Pieces = {}
    for batch in batches:
        for name, values in zip(batch.schema.names, batch.columns, strict=True):
            found.setdefault(name, []).append(np.array(_NUMBERS.get(name, lambda same: same)(values)))
    return found


def _small(rows: pa.Array) -> pa.Array:
    """Places in half the memory where they fit into it."""
    return rows.cast(pa.uint32()) if len(rows) == 0 or pc.max(rows).as_py() < 1 << 32 else rows


_NUMBERS: dict[str, Callable[[pa.Array], pa.Array]] = {
    "timestamp": lambda times: times.cast(pa.timestamp("us", "UTC")).cast(pa.int64()),
    "value": lambda weights: weights.cast(pa.float64()),
    ROW: _small,
}
