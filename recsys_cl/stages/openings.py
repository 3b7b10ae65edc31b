"""Every opening of a test part is on record: the more often it was looked at, the less a good result on it proves."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from recsys_cl.core.files import storage_fault, sync_folder

FOLDER = ".openings"
"""Beside the folders of the pipelines, none of which can have this name."""


@dataclass(frozen=True, slots=True)
class Ledger:
    """One file of JSON lines a test part, named by its digest, so that pipelines on the same data share the count."""

    folder: Path

    def open(self, digest: str, facts: Mapping[str, str]) -> int:
        """Record one opening, durably, *before* the part is read; how many there have been, this one included.

        One write to a file that only grows, made while it is locked: a crash loses no line before it, and leaves at most half a
        line of an opening that did not come about, which still counts.
        """
        line = json.dumps({"at": datetime.now(UTC).isoformat(timespec="seconds"), **facts}, sort_keys=True)
        path = self.folder / f"{digest}.jsonl"
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            handle = os.open(path, os.O_CREAT | os.O_RDWR | os.O_APPEND, 0o644)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX)
                torn = "" if _ends_a_line(handle) else "\n"
                os.write(handle, f"{torn}{line}\n".encode())
                os.fsync(handle)
                sync_folder(self.folder)
                return self.count(digest)
            finally:
                os.close(handle)
        except OSError as error:
            raise storage_fault(path, error) from error

    def count(self, digest: str) -> int:
        """How often the test part with this digest was opened."""
        path = self.folder / f"{digest}.jsonl"
        return sum(1 for line in path.read_bytes().splitlines() if line.strip()) if path.exists() else 0


def _ends_a_line(handle: int) -> bool:
    size = os.fstat(handle).st_size
    return size == 0 or os.pread(handle, 1, size - 1) == b"\n"
