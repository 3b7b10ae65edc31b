"""Take away what no version needs: what dead writers left, and on request old versions that nobody reads."""

from __future__ import annotations

import shutil
from itertools import takewhile
from pathlib import Path

from recsys_cl.ingest.versions.lock import HALF_WRITTEN, PART_NAME, PARTS, VERSIONS, remove_unread, writing
from recsys_cl.ingest.versions.manifest import latest, numbers, read_version, version_file


def collect(folder: Path, keep: int | None = None, *, wait: bool = False) -> dict[str, list[str]]:
    """Keep the newest ``keep`` versions (all, if None) and every part they need; returns the names of what went.

    A version that is being read stays, with its parts, however old, and so do those after it: the ones there are follow each
    other, and one that is missing among them is damage.

    Raises:
        Refused: no data set, or a version that cannot be read; then nothing is removed.
        Unavailable: a writer is at work.
    """
    read_version(folder)
    with writing(folder, wait=wait):
        found = numbers(folder)
        old = [] if keep is None else found[: max(len(found) - keep, 0)]
        gone = list(takewhile(lambda number: remove_unread(version_file(folder, number)), old))
        return {"versions": [str(number) for number in gone], "parts": sweep(folder)}


def sweep(folder: Path) -> list[str]:
    """Remove the parts that no version names, and half-written files; returns the parts' names. Needs the writer's lock.

    A version holds all parts of those before it, so the newest names all that are needed.
    """
    newest = latest(folder)
    needed = set() if newest is None else {named.name for named in newest.parts}
    parts = (path for path in sorted((folder / PARTS).iterdir()) if PART_NAME.fullmatch(path.name))
    gone = [path for path in parts if path.name not in needed]
    for path in [*gone, *(path for path in (folder / VERSIONS).iterdir() if HALF_WRITTEN.fullmatch(path.name))]:
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    return [path.name for path in gone]
