"""Who writes a run: a process named so that others can tell whether it is still alive."""

from __future__ import annotations

import socket

import psutil

_DRIFT = 2.0  # seconds by which two readings of one process's start may differ


def here() -> str:
    """This process: host, id and start time, because ids are used again."""
    process = psutil.Process()
    return f"{socket.gethostname()}/{process.pid}/{process.create_time():.0f}"


def gone(name: str) -> bool:
    """Whether the process called ``name`` has certainly ended; of another host's nothing is known."""
    host, _, identity = name.partition("/")
    if host != socket.gethostname():
        return False
    pid, _, started = identity.partition("/")
    try:
        process = psutil.Process(int(pid))
        return bool(process.status() == psutil.STATUS_ZOMBIE or abs(process.create_time() - float(started)) > _DRIFT)
    except psutil.NoSuchProcess:
        return True


def elsewhere(name: str) -> bool:
    """Whether the process called ``name`` is of another host, where `gone` cannot look."""
    return name.partition("/")[0] != socket.gethostname()
