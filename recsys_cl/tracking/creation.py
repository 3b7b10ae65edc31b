"""A SQLite store appears whole or not at all, whoever comes first and whenever the power fails."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from recsys_cl.core.errors import Unavailable
from recsys_cl.core.files import storage_fault, sync_folder


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Wait for, then hold, the store's lock. The kernel frees it when its holder dies, however that happens."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise storage_fault(folder, error) from error
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def ensure_database(path: Path, artifacts: Path) -> None:
    """Create MLflow's database at ``path`` unless it is there.

    MLflow builds its schema by thousands of small writes and cannot go on from a half-built one, so all of them
    happen on a scratch file that takes its name only when it is finished.
    """
    if path.exists():
        if not os.access(path, os.R_OK | os.W_OK):
            raise Unavailable(f"cannot write {path}: permission denied")
        return
    with locked(path.parent):
        if not path.exists():
            _create(path, artifacts)


def _create(path: Path, artifacts: Path) -> None:
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    scratch = path.with_name(f".{path.name}.new")
    try:
        for leftover in path.parent.glob(f"{scratch.name}*"):  # of a process that was killed here
            leftover.unlink()
        SqlAlchemyStore(f"sqlite:///{scratch}", str(artifacts)).engine.dispose()
        with scratch.open("rb+") as stream:
            os.fsync(stream.fileno())
        scratch.rename(path)
        sync_folder(path.parent)
    except OSError as error:
        raise storage_fault(path, error) from error
