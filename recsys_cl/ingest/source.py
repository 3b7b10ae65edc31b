"""What every source of logs answers with: raw rows in batches, each row knowing its file and line."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa

REQUIRED = ("user_id", "item_id", "timestamp")
OPTIONAL = ("rating", "event", "weight", "part")
PLACE = (pa.field("file", pa.int32()), pa.field("line", pa.int64()))
FAULT = (pa.field("field", pa.string()), pa.field("reason", pa.string()))


@dataclass(frozen=True, slots=True, eq=False)
class RawLog:
    """Rows as they were found, in log order, not yet judged.

    Every batch has the columns of ``schema``, which holds

    * ``user_id``, ``item_id``: text;
    * ``timestamp``: text (epoch digits or ISO 8601), int64 (epoch), or timestamp[us] without a zone (UTC);
    * of ``rating``, ``event``, ``weight``, ``part`` those the log has: the first and third text or float64, the others text;
    * ``file`` (int32, an index into ``files``) and ``line`` (int64: a physical line from 1, or a Parquet row from 0);
      together they are the log order, by which rows of equal time are ordered;
    * optionally ``field`` and ``reason`` (text): not null where the reader itself found the row bad.

    ``items`` is the item table, if the source has one: ``item_id`` as text, any other columns, no order promised.
    ``layouts`` says of each of ``files`` how it was found to be laid out (``reading/layouts.py``), where files have layouts.
    ``drift`` is the source's own judgement of whether its newest rows are like those before, where it has one.
    """

    schema: pa.Schema
    batches: Iterator[pa.RecordBatch]
    files: tuple[str, ...]
    items: pa.Table | None = None
    layouts: Sequence[Mapping[str, Any]] = ()
    drift: Mapping[str, Any] = field(default_factory=lambda: {"verdict": "ok", "against": None, "checks": []})


class Source(Protocol):
    """A kind of log. The constructor takes the arguments of the TOML; nothing is opened before ``read``."""

    def files(self) -> list[Path]:
        """The files outside the store that are read, in log order; empty for generated logs."""
        ...

    def read(self, scratch: Path) -> RawLog:
        """Open the log. ``scratch`` is an empty folder for what does not fit in memory.

        Raises:
            Refused: the log as a whole cannot be used. Single bad rows are never a reason.
        """
        ...


def row_schema(columns: dict[str, pa.DataType], *, faults: bool = False) -> pa.Schema:
    """The schema of a source whose log has ``columns``, in the one order every source uses.

    ``faults``: whether the reader itself may find a row bad; where it never does, an engine keeps no room for the reason.
    """
    named = [pa.field(name, columns[name]) for name in (*REQUIRED, *OPTIONAL) if name in columns]
    return pa.schema([*named, *PLACE, *(FAULT if faults else ())])
