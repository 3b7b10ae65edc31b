"""Python programs as forks of one process that has imported the heavy libraries: real processes, without seconds of imports.

`python` is ``subprocess.run([sys.executable, "-c", ...])`` and `recsys_cl` the command line; `start` begins a program and goes
on. What a program imports, when and in which order, is not as it is in life: whoever asks about that starts a process of its
own. When a program is forked there is no thread but the allocator's of pyarrow, which knows of forks; those of the other libraries
begin with their first use.
"""

from __future__ import annotations

import atexit
import json
import os
import runpy
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
COMMAND = "from recsys_cl.cli import main; main()"
PLAIN = {"PYTHONPATH": str(ROOT), "COLUMNS": "120", "NO_COLOR": "1", "OMP_NUM_THREADS": "1"}


@dataclass(frozen=True, slots=True)
class Started:
    """A program on its way; ``folder`` is where its streams and its exit code are written."""

    folder: tempfile.TemporaryDirectory[str]
    arguments: tuple[str, ...]

    def done(self) -> subprocess.CompletedProcess[str]:
        """Wait for its end; the exit code is negative for a signal, as subprocess has it."""
        place = Path(self.folder.name)
        code = int((place / "code").read_text("utf-8"))  # a pipe: whoever reads it waits
        out, err = ((place / name).read_text("utf-8", "replace") for name in ("out", "err"))
        self.folder.cleanup()
        return subprocess.CompletedProcess(self.arguments, code, out, err)


def start(code: str, *arguments: object, cwd: Path = ROOT, env: Mapping[str, str] | None = None) -> Started:
    """Begin the program ``code``, whose ``sys.argv`` is ``recsys-cl`` and ``arguments``; ``env`` is added to ours and `PLAIN`."""
    made = Started(tempfile.TemporaryDirectory(), tuple(map(str, arguments)))
    os.mkfifo(Path(made.folder.name) / "code")
    program = Path(made.folder.name) / "program.py"
    program.write_text(code, "utf-8")
    environment = {**os.environ, **PLAIN, **(env or {})}
    job = {"program": str(program), "argv": made.arguments, "cwd": str(cwd), "env": environment, "place": made.folder.name}
    server = _server()
    assert server.stdin is not None
    print(json.dumps(job), file=server.stdin, flush=True)
    return made


def python(code: str, *arguments: object, cwd: Path = ROOT, env: Mapping[str, str] | None = None) -> Any:
    """The program's end: a ``subprocess.CompletedProcess`` of texts."""
    return start(code, *arguments, cwd=cwd, env=env).done()


def recsys_cl(*arguments: object, cwd: Path, env: Mapping[str, str] | None = None) -> Any:
    """The end of a command of the command line, said in ``cwd``."""
    return python(COMMAND, *arguments, cwd=cwd, env=env)


@cache
def _server() -> subprocess.Popen[str]:
    environment = {**os.environ, **PLAIN, "MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true"}
    command = [sys.executable, __file__]
    server = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment, cwd=ROOT)
    assert server.stdin is not None
    assert server.stdout is not None
    assert server.stdout.readline() == "ready\n"
    atexit.register(server.stdin.close)
    return server


def _serve() -> None:
    import duckdb
    import ibis
    import mlflow

    import recsys_cl.cli
    import recsys_cl.stages.pipeline  # noqa: F401

    assert duckdb
    assert ibis
    assert mlflow
    print("ready", flush=True)  # noqa: T201 - the protocol
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits here for those who wait below
    for line in sys.stdin:
        if os.fork() == 0:
            _wait_for(json.loads(line))
            os._exit(0)


def _wait_for(job: dict[str, Any]) -> None:
    """Run the job in a process of its own and write how it ended."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    child = os.fork()
    if child == 0:
        _become(job)
    _, status = os.waitpid(child, 0)
    (Path(job["place"]) / "code").write_text(str(os.waitstatus_to_exitcode(status)))


def _become(job: dict[str, Any]) -> None:
    os.chdir(job["cwd"])
    os.environ.clear()
    os.environ.update(job["env"])
    opened = (os.open(os.devnull, os.O_RDONLY), *(_file(job["place"], name) for name in ("out", "err")))
    for number, handle in enumerate(opened):
        os.dup2(handle, number)
    sys.stdin = open(0, encoding="utf-8")  # noqa: SIM115 - the one before has read ahead in the jobs
    sys.argv, sys.path[0] = ["recsys-cl", *job["argv"]], ""
    code: Any = 0
    try:
        runpy.run_path(job["program"], run_name="__main__")
    except SystemExit as end:
        code = end.code
        if isinstance(code, str):
            sys.stderr.write(f"{code}\n")
            code = 1
    except BaseException:
        sys.excepthook(*sys.exc_info())  # type: ignore[arg-type]
        code = 1
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code or 0)


def _file(place: str, name: str) -> int:
    return os.open(Path(place) / name, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600)


if __name__ == "__main__":
    _serve()
