"""One writer at a time, and readers who keep what they opened: kernel locks, which no death leaves behind."""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from recsys_cl.core.errors import Refused, Unavailable
from recsys_cl.core.files import make_folder, storage_fault, sync_folder

VERSIONS, PARTS, SCRATCH = "versions", "parts", ".scratch"
PART_NAME = re.compile(r"[0-9]{8,}-[0-9a-f]{12}")
HALF_WRITTEN = re.compile(r"\.[0-9]{8,}\.json\.[0-9]+\.tmp")
"""The names under which parts are committed and versions are written: what is called otherwise is not ours to remove."""
_LOCK = ".lock"
_VERSION = re.compile(r"[0-9]{8,}\.json")


@contextmanager
def writing(folder: Path, *, wait: bool) -> Iterator[Path]:
    """Be the only writer of ``folder``; yields an empty scratch folder on the same file system.

    Whatever a killed writer left is swept first: with the lock in hand nobody else can be using it. A folder that was made
    for this, and in which nothing was committed, is taken away again.

    Raises:
        Unavailable: another process writes and ``wait`` is false (the message says who), or the disk failed.
        Refused: ``folder`` holds something that is no data set.
    """
    handle, new = _locked(folder, wait=wait)
    scratch = folder / SCRATCH
    try:
        shutil.rmtree(scratch, ignore_errors=True)
        scratch.mkdir()
        yield scratch
    except OSError as error:
        raise storage_fault(Path(error.filename or folder), error) from error
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
        with suppress(OSError):
            os.ftruncate(handle, 0)
            if new and not any((folder / VERSIONS).iterdir()):
                _take_away(folder)
        os.close(handle)


@contextmanager
def alone(path: Path) -> Iterator[None]:
    """Wait for the lock on a file of no other use, which is there as long as somebody holds it."""
    try:
        make_folder(path.parent)
        while (handle := _taken(path, wait=True)) is None:
            pass
    except OSError as error:
        raise storage_fault(path, error) from error
    try:
        yield
    finally:
        with suppress(OSError):
            path.unlink()
        os.close(handle)


@contextmanager
def pinned(path: Path) -> Iterator[None]:
    """Keep the version described in ``path``, and so its parts, while it is being read.

    Raises:
        Refused: it has been swept.
    """
    gone = f"{path}: the version is no longer there"
    try:
        handle = os.open(path, os.O_RDONLY)
    except FileNotFoundError as error:
        raise Refused(gone) from error
    try:
        fcntl.flock(handle, fcntl.LOCK_SH)
        if os.fstat(handle).st_nlink == 0:  # removed between opening and locking
            raise Refused(gone)
        yield
    finally:
        os.close(handle)


def remove_unread(path: Path) -> bool:
    """Remove a version's file unless somebody reads that version; returns whether it is gone."""
    handle = os.open(path, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        path.unlink()
    except BlockingIOError:
        return False
    finally:
        os.close(handle)
    return True


def _locked(folder: Path, *, wait: bool) -> tuple[int, bool]:
    """A handle that holds the lock and says by whom, and whether the folder is new; it and its rooms are there, durably."""
    try:
        if any(os.path.lexists(part) and not part.is_dir() for part in (folder, *folder.parents)):
            raise Refused(f"{folder}: a file is there, where a data set's folder is to be")
        if not _ours(folder):
            raise Refused(f"{folder}: neither empty nor a data set; choose another folder")
        handle, new = _opened(folder, wait=wait)
        os.ftruncate(handle, 0)
        os.pwrite(handle, _me().encode(), 0)
        for room in (VERSIONS, PARTS):
            (folder / room).mkdir(exist_ok=True)
        sync_folder(folder)
        sync_folder(folder.parent)
    except BlockingIOError as error:
        raise Unavailable(f"{folder}: {_holder(folder)} is writing to it; try later, or wait with --wait") from error
    except OSError as error:
        raise storage_fault(folder, error) from error
    return handle, new


def _ours(folder: Path) -> bool:
    """Whether there is nothing, a data set, or what a writer leaves that died before its first version."""
    try:
        found = {path.name for path in folder.iterdir()}
        versions, parts = (list((folder / room).iterdir()) if (folder / room).is_dir() else [] for room in (VERSIONS, PARTS))
    except FileNotFoundError:  # nothing is there, or another writer has just taken it away
        return True
    if any(_VERSION.fullmatch(path.name) and _describes(path) for path in versions):
        return True
    begun = _LOCK in found and found <= {_LOCK, SCRATCH, VERSIONS, PARTS}
    begun = begun and all(HALF_WRITTEN.fullmatch(path.name) for path in versions)
    return not found or (begun and all(PART_NAME.fullmatch(path.name) for path in parts))


def _describes(path: Path) -> bool:
    """Whether a file begins to describe a version; whether it is whole, its reader will say."""
    return b'"committed"' in path.read_bytes()


def _opened(folder: Path, *, wait: bool) -> tuple[int, bool]:
    """The locked lock file: the one that is there now, not one that another writer took away; and whether the folder is new."""
    while True:
        new = _made(folder)
        handle = _taken(folder / _LOCK, wait=wait)
        if handle is not None:
            return handle, new


def _taken(path: Path, *, wait: bool) -> int | None:
    """A handle that holds the lock on the file at ``path``; None where another has just taken the file away."""
    try:
        handle = os.open(path, os.O_CREAT | os.O_RDWR, 0o644)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(handle)
        raise
    if os.fstat(handle).st_nlink:
        return handle
    os.close(handle)
    return None


def _made(folder: Path) -> bool:
    folder.parent.mkdir(parents=True, exist_ok=True)
    try:
        folder.mkdir()
    except FileExistsError:
        return False
    return True


def _take_away(folder: Path) -> None:
    for room in (VERSIONS, PARTS):
        shutil.rmtree(folder / room)
    (folder / _LOCK).unlink()
    folder.rmdir()


def _me() -> str:
    since = datetime.now(UTC).isoformat(timespec="seconds")
    return json.dumps({"pid": os.getpid(), "host": socket.gethostname(), "since": since})


def _holder(folder: Path) -> str:
    try:
        me = json.loads((folder / _LOCK).read_text("utf-8"))
        return f"process {me['pid']} on {me['host']}, since {me['since']},"
    except (OSError, ValueError, KeyError, TypeError):  # it has the lock, and has not yet said who it is
        return "another process"
