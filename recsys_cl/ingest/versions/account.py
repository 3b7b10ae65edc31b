"""What became of the rows of one ingestion, and the state it left: the one object that the command line prints."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from recsys_cl.ingest.versions.manifest import Input, Part, Version, iso, part_folder
from recsys_cl.ingest.versions.part import QUARANTINE

Layouts = Sequence[dict[str, Any]]
COUNTS = ("rows_in", "rows_kept", "rows_quarantined", "rows_deduplicated")
"""The first is the sum of the others."""


def counted_before(inputs: Sequence[Input]) -> Counter[str]:
    """The account of files that the data set holds already: every good row is a repeat."""
    rows, bad = sum(each.rows for each in inputs), sum(each.quarantined for each in inputs)
    return Counter(dict(zip(COUNTS, (rows, 0, bad, rows - bad), strict=True)))


def summary(folder: Path, version: Version, counts: Counter[str], part: Part | None, layouts: Layouts) -> dict[str, Any]:
    """JSON-able: ``COUNTS``, ``late`` and ``layouts`` of what came, all else of the data set after it.

    ``part`` is None where nothing was new.
    """
    return {
        **{name: counts[name] for name in COUNTS},
        "late": 0 if part is None else part.late,
        "rows": version.rows,
        "users": version.users,
        "items": version.items,
        "first": iso(version.first),
        "last": iso(version.last),
        "digest": version.digest,
        "version": version.number,
        "path": str(folder),
        "quarantine": None if part is None else str(part_folder(folder, version.parts[-1].name) / QUARANTINE),
        "layouts": list(layouts),
        "drift": version.drift,
    }
