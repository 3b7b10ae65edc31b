"""Of several triggers of one pipeline, one runs it; the kernel gives the turn back on any death."""

from __future__ import annotations

import fcntl
import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from recsys_cl.core.errors import Busy
from recsys_cl.core.files import make_folder, storage_fault

_FILE = ".turn"


@contextmanager
def turn(root: Path, *, wait: bool = False) -> Iterator[None]:
    """Hold the turn of the pipeline whose artifacts lie in ``root``.

    Args:
        root: made where it is missing.
        wait: for whoever has the turn, instead of leaving the work to them.

    Raises:
        Busy: somebody has it; the message says who, and since when.
        Unavailable: the folder cannot be written.
    """
    path = root / _FILE
    try:
        make_folder(root)
        handle = os.open(path, os.O_CREAT | os.O_RDWR, 0o644)
    except OSError as error:
        raise storage_fault(path, error) from error
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            raise Busy(f"pipeline '{root.name}' is being run by {_holder(handle)}; left to it") from None
        since = datetime.now(UTC).isoformat(timespec="seconds")
        os.ftruncate(handle, 0)
        os.pwrite(handle, json.dumps({"pid": os.getpid(), "host": socket.gethostname(), "since": since}).encode(), 0)
        yield
    finally:
        os.close(handle)


def _holder(handle: int) -> str:
    try:
        who = json.loads(os.pread(handle, 1000, 0))
        return f"process {who['pid']} on {who['host']} since {who['since']}"
    except (ValueError, KeyError):
        return "another process"
