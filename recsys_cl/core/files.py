"""The only place that commits files: scratch beside the target, fsync, one rename, fsync of the folder."""

from __future__ import annotations

import ctypes
import errno
import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from recsys_cl.core.errors import RecsysError, Refused, Unavailable

_INPUT = (errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.EACCES, errno.EPERM, errno.ELOOP, errno.ENAMETOOLONG)
_HERE, _EXCHANGE = -100, 2  # AT_FDCWD, RENAME_EXCHANGE


@contextmanager
def atomic_write(path: Path, mode: str = "wb") -> Iterator[IO[Any]]:
    """Open a scratch file that becomes ``path`` when the block ends well; a crash leaves the old file or the new one."""
    scratch = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        make_folder(path.parent)
        with scratch.open(mode, encoding=None if "b" in mode else "utf-8") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        scratch.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        raise storage_fault(path, error) from error
    finally:
        with suppress(OSError):  # what could not be made needs no removal; the first error is the one to tell
            scratch.unlink(missing_ok=True)


def write_json(path: Path, value: object) -> None:
    """Commit ``value`` as JSON with sorted keys; NaN and infinity are refused."""
    with atomic_write(path, "w") as stream:
        json.dump(value, stream, indent=2, sort_keys=True, allow_nan=False)
        stream.write("\n")


def sync_folder(folder: Path) -> None:
    """Make a rename inside ``folder`` durable."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def commit_folder(scratch: Path, final: Path, *, instead: bool = False) -> None:
    """Make a finished scratch folder visible as ``final`` in one rename; both lie on the same file system.

    Where ``final`` exists already another process has committed the same content, and the scratch is removed;
    with ``instead`` the two change places first, so that a reader finds the old folder or the new one at any moment.
    """
    try:
        for path in sorted(scratch.rglob("*")):
            if path.is_file():
                with path.open("rb") as stream:
                    os.fsync(stream.fileno())
            else:
                sync_folder(path)
        sync_folder(scratch)
        make_folder(final.parent)
        try:
            scratch.rename(final)
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise
            if instead:
                _exchange(scratch, final)
            shutil.rmtree(scratch)
        sync_folder(final.parent)
    except OSError as error:
        raise storage_fault(final, error) from error


def make_folder(folder: Path) -> None:
    """Make ``folder`` and what is missing above it, each durable in the one that holds it."""
    missing = [each for each in (folder, *folder.parents) if not each.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    for each in reversed(missing):
        sync_folder(each.parent)


def _exchange(one: Path, other: Path) -> None:
    """Two folders change names in one step; on a file system that cannot, in two."""
    rename = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)  # Linux
    if rename is None or rename(_HERE, os.fsencode(one), _HERE, os.fsencode(other), _EXCHANGE) != 0:
        aside = one.with_name(f"{one.name}.old")
        other.rename(aside)
        one.rename(other)
        aside.rename(one)


def digest_file(path: Path) -> str:
    """SHA-256 of a file's bytes, in hex."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def digest_json(value: object) -> str:
    """SHA-256 of a JSON-able value, independent of key order."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def storage_fault(path: Path, error: OSError) -> Unavailable:
    """Explain a failed write: which path, why, and how much space is left there."""
    return Unavailable(f"cannot write {path}: {error.strerror or error} ({free_space(path)})")


def free_space(path: Path) -> str:
    """How much space is left where ``path`` lies or would lie."""
    folder = next((p for p in (path, *path.parents) if p.exists()), Path("/"))
    return f"{shutil.disk_usage(folder).free / 2**20:.0f} MiB free"


def read_fault(path: Path, error: OSError) -> RecsysError:
    """Explain a failed read: what is absent or may not be read is the input's fault, a failing disk the environment's."""
    kind = Refused if error.errno in _INPUT else Unavailable
    return kind(f"cannot read {path}: {error.strerror or error}")
