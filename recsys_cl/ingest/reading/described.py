"""The item table that a source was given beside its log, or none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from recsys_cl.ingest.reading.features import item_files
from recsys_cl.ingest.reading.item_table import read_items
from recsys_cl.ingest.reading.locate import existing

Paths = str | list[str]  # files, folders, globs
Names = dict[str, str]  # ours -> theirs


@dataclass(frozen=True, slots=True)
class Described:
    """What a source's ``items`` and ``item_columns`` say; nothing is opened before it is asked for."""

    items: str | None
    columns: Mapping[str, str] | None

    def files(self) -> list[Path]:
        """The table and the arrays beside it, which decide a result as the log does."""
        return item_files(self.items, self.columns or {})

    def read(self) -> pa.Table | None:
        """The table; None where the source has none."""
        return read_items(existing(self.items), self.columns or {}) if self.items else None
