"""Runs commands of the command line in forks, each with a fault armed at one file operation.

Started by the tests with the shim preloaded, or without it, where no compiler is at hand: then the functions of `os` are
wrapped instead, which sees what Python does itself but no write of a library.
"""

from __future__ import annotations

import ctypes
import errno
import json
import os
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.warm import warmed

KINDS = {"none": 0, "kill": 1, "torn": 2, "full": 3, "broken": 4}


def main() -> None:
    warmed()
    print("ready", flush=True)  # noqa: T201 - the protocol
    for line in sys.stdin:
        job = json.loads(line)
        child = os.fork()
        if child == 0:
            _child(job)
        killer = threading.Timer(job["after"], os.kill, (child, signal.SIGKILL)) if job["after"] is not None else None
        if killer:
            killer.start()
        os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)  # it keeps its number until the killer is called off
        if killer:
            killer.cancel()
            killer.join()
        _, status = os.waitpid(child, 0)
        print(job["number"], os.waitstatus_to_exitcode(status), flush=True)  # noqa: T201


def _child(job: dict[str, Any]) -> None:
    os.chdir(job["folder"])
    log = os.open(job["log"], os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600)
    trace = os.open(job["trace"], os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600)
    os.dup2(log, 1)
    os.dup2(log, 2)
    sys.argv = ["recsys-cl", *job["arguments"]]
    disarm = _arm(job["folder"], job["at"], job["kind"], trace)
    code: Any = 1
    try:
        from recsys_cl.cli import main as command

        command()
    except SystemExit as stop:
        code = stop.code
    disarm()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code if isinstance(code, int) else 0)


def _arm(folder: str, at: int, kind: str, trace: int) -> Callable[[], None]:
    shim = ctypes.CDLL(None)
    if not hasattr(shim, "fault_arm"):
        return _wrap(folder, at, kind, trace)
    shim.fault_arm(folder.encode(), ctypes.c_long(at), KINDS[kind], trace)
    disarm: Callable[[], None] = shim.fault_disarm
    return disarm


def _wrap(folder: str, at: int, kind: str, trace: int) -> Callable[[], None]:
    """Count, and fail, what Python's own functions change."""
    count = [0]
    armed = {"now": True}

    def wrapped(name: str, inner: Callable[..., Any]) -> Callable[..., Any]:
        def act(*arguments: Any, **named: Any) -> Any:
            target = arguments[1] if name in ("rename", "replace") else arguments[0]
            path = str(Path(f"/proc/self/fd/{target}").readlink()) if isinstance(target, int) else str(Path(target).absolute())
            if not armed or not path.startswith(folder):
                return inner(*arguments, **named)
            number, count[0] = count[0], count[0] + 1
            os.write(trace, f"{name.replace('replace', 'rename')} {path}\n".encode())
            if number == at and kind == "kill":
                os.kill(os.getpid(), signal.SIGKILL)
            if (number == at and kind == "broken") or (0 <= at <= number and kind == "full" and name in ("mkdir", "fsync")):
                code = errno.EIO if kind == "broken" else errno.ENOSPC
                raise OSError(code, os.strerror(code), path)
            result = inner(*arguments, **named)
            if number == at and kind == "torn":
                os.kill(os.getpid(), signal.SIGKILL)
            return result

        return act

    for name in ("rename", "replace", "mkdir", "unlink", "rmdir", "fsync"):
        setattr(os, name, wrapped(name, getattr(os, name)))
    return armed.clear


if __name__ == "__main__":
    main()
