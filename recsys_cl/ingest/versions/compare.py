"""What comes beside what is there: how many users and items the next version has, and whether the log has drifted."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from recsys_cl.ingest.engine import Engine
from recsys_cl.ingest.versions.drift import beside, drift, verdict
from recsys_cl.ingest.versions.manifest import Part, Version, check_file, part_folder, read_part
from recsys_cl.ingest.versions.part import KEYS, read_counts


def compare(run: Engine, folder: Path, before: Version | None, came: Path, part: Part) -> tuple[int, int, dict[str, Any]]:
    """Users and items with the part in ``came`` added, and its drift against the version ``before``."""
    parts = [] if before is None else [(named.name, read_part(folder, named)) for named in before.parts]
    old = {name: _checked_counts(folder, parts, name) for name in KEYS}
    new = {name: read_counts([came], name) for name in KEYS}
    users, items = (beside(run, old[name], new[name]) for name in ("users", "items"))
    if before is None or part.rows == 0:
        found = verdict([], None if before is None else before.number)
    else:
        columns = frozenset(name for _, each in parts for name in each.columns), frozenset(part.columns)
        hours, ratings = ((old[name], new[name]) for name in ("hours", "ratings"))
        found = drift(before.number, users, items, hours, ratings, columns)
    return len(users.came), len(items.came), found


def _checked_counts(folder: Path, parts: Sequence[tuple[str, Part]], name: str) -> pa.Table:
    folders = []
    for part_name, part in parts:
        if (file := part.files.get(f"{name}.parquet")) is not None:
            folders.append(part_folder(folder, part_name))
            check_file(folders[-1] / f"{name}.parquet", file)
    return read_counts(folders, name)
