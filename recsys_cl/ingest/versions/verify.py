"""Whether a data set is whole: every byte of every version is what was committed, and can be read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from recsys_cl.core.errors import Refused
from recsys_cl.ingest.versions.lock import pinned
from recsys_cl.ingest.versions.manifest import (
    Part,
    PartName,
    check_file,
    content_digest,
    numbers,
    part_folder,
    read_part,
    read_version,
    version_file,
)
from recsys_cl.ingest.versions.part import ROWS


def verify(folder: Path) -> dict[str, Any]:
    """Check all versions; returns how many there are, with their parts, files and bytes.

    Raises:
        Refused: the first file that is damaged, missing or unreadable, by name.
    """
    newest = read_version(folder)
    found = numbers(folder)
    for number, path in ((n, version_file(folder, n)) for n in range(found[0], found[-1])):
        if number not in found:
            raise Refused(f"{path}: damaged: the file is missing")
    checked: dict[str, Part] = {}
    for number in found:
        with pinned(version_file(folder, number)):
            version = read_version(folder, number)
            parts = [checked.setdefault(n.name, checked.get(n.name) or _whole(folder, n)) for n in version.parts]
            rows, summed = sum(p.rows for p in parts), sum(int(p.sum, 16) for p in parts) % (1 << 128)
            if (version.rows, version.digest) != (rows, content_digest(rows, summed)):
                raise Refused(f"{version_file(folder, number)}: damaged: its parts do not add up to it")
    files = [file for part in checked.values() for file in part.files.values()]
    size = sum(file.bytes for file in files)
    state = {"version": newest.number, "rows": newest.rows, "digest": newest.digest}
    return {**state, "versions": len(found), "parts": len(checked), "files": len(files), "bytes": size}


def _whole(folder: Path, named: PartName) -> Part:
    part = read_part(folder, named)
    for name, file in part.files.items():
        path = part_folder(folder, named.name) / name
        check_file(path, file)
        try:
            rows = pq.read_metadata(path).num_rows
        except (OSError, pa.ArrowException) as error:
            raise Refused(f"{path}: damaged: not readable as Parquet") from error
        if name == ROWS and rows != part.rows:
            raise Refused(f"{path}: damaged: {rows} rows, and {part.rows} were committed")
    return part
