"""Bad rows, each with its file, line, field and reason; too many of them and the log is refused."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from recsys_cl.core.errors import Refused
from recsys_cl.ingest.contract import PLACE, Reasons
from recsys_cl.ingest.engine import Engine
from recsys_cl.ingest.reading.text import opening
from recsys_cl.ingest.sorted_parquet import write_parquet

if TYPE_CHECKING:
    import ibis.expr.types as ir

SCHEMA = pa.schema([("file", pa.string()), ("line", pa.int64()), ("field", pa.string()), ("reason", pa.string())])
"""``line`` is a physical line from 1, or a Parquet row from 0; ``field`` is ``record`` where no single value is to blame."""


def quarantine(run: Engine, rows: ir.Table, reasons: Reasons, files: Sequence[str], limit: float, out: Path) -> dict[str, int]:
    """Write the bad ones among judged ``rows`` to ``out``, in log order; returns ``rows_in`` and ``rows_quarantined``.

    Raises:
        Refused: no rows at all, more than ``limit`` of them bad, or none good.
    """
    bad = rows.filter(rows.fault != 0).order_by("place", "fault")
    counts = run.one(rows.aggregate(rows_in=rows.count(), rows_quarantined=(rows.fault != 0).sum().fill_null(0)))
    total, wrong = counts["rows_in"], counts["rows_quarantined"]
    files = [os.fsencode(name).decode("utf-8", "backslashreplace") for name in files]  # a name may be any bytes
    if total == 0:
        raise Refused(f"the log holds no rows: {', '.join(files[:3])}{', …' if len(files) > 3 else ''}")
    if wrong > Fraction(repr(limit)) * total or wrong == total:  # 0.29 * 100 is less than 29 in floating point
        first = next(row for batch in _named(run.stream(bad.limit(1)), reasons, files) for row in batch.to_pylist())
        example = f"the first is {first['file']}: {_place(first)}: {first['field']}: {first['reason']}"
        raise Refused(f"{wrong} of {total} rows are bad, and max_bad_fraction is {limit:g}; {example}")
    write_parquet(out, SCHEMA, _named(run.stream(bad), reasons, files))
    return counts


def _place(bad: Mapping[str, Any]) -> str:
    """Lines are counted from 1 as editors do; rows of a table, which has no lines, from 0 as its readers do."""
    path = Path(bad["file"])
    table = path.is_file() and opening(path).startswith(b"PAR1")  # a name that is no UTF-8 is told otherwise than it is
    return f"row {bad['line']} (the first is 0)" if table else f"line {bad['line']}"


def _named(batches: Iterator[pa.RecordBatch], reasons: Reasons, files: Sequence[str]) -> Iterator[pa.RecordBatch]:
    """Verdicts as words; -1 is a verdict the reader gave in its own."""
    fields, sentences = (pa.array(["", *column]) for column in zip(*reasons, strict=True))
    for batch in batches:
        own = pc.less(batch.column("fault"), 0)
        place = batch.column("place").to_numpy()
        verdict = pc.if_else(own, 0, batch.column("fault"))
        words = {"field": fields.take(verdict), "reason": sentences.take(verdict)}
        if "reason" in batch.schema.names:
            words = {name: pc.if_else(own, batch.column(name), word) for name, word in words.items()}
        where = [pa.array(files).take(pa.array(place // PLACE)), pa.array(place % PLACE)]
        yield pa.RecordBatch.from_arrays([*where, *words.values()], schema=SCHEMA)
