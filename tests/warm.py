"""Python programs as forks of one process that has imported what is heavy: real processes, without seconds of imports.

`python` is ``subprocess.run([sys.executable, "-c", ...])`` and `recsys_cl` the command line; `start` begins a program and goes
on. What a program imports, when and in which order, is not as it is in life: whoever asks about that starts a process of its
own. When a program is forked there is no thread but those of pyarrow, which knows of forks.
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
from importlib import import_module
from pathlib import Path
from typing import Any

import psutil

ROOT = Path(__file__).parents[1]
COMMAND = "from recsys_cl.cli import main; main()"
PLAIN = {"PYTHONPATH": str(ROOT), "COLUMNS": "120", "NO_COLOR": "1", "OMP_NUM_THREADS": "1"}

HEAVY = (
    "duckdb",
    "ibis.backends.sql.compilers",
    "matplotlib.backends.backend_svg",
    "mlflow.store.tracking.sqlalchemy_store",
    "recsys_cl.cli",
    "recsys_cl.ingest.sources.csv",
    "recsys_cl.ingest.versions.append",
    "recsys_cl.ingest.versions.verify",
    "recsys_cl.reporting",
    "recsys_cl.serving.model",
    "recsys_cl.stages.fitting",
    "recsys_cl.stages.ingest",
    "recsys_cl.stages.pipeline",
    "scipy.stats",
    "torch._dynamo",  # with the first optimizer
)


@dataclass(frozen=True, slots=True)
class Started:
    """A program on its way; ``folder`` is where its streams and its exit code are written."""

    folder: tempfile.TemporaryDirectory[str]
    arguments: tuple[str, ...]
    pid: int

    def kill(self, number: int = signal.SIGKILL) -> None:
        """Send it a signal."""
        os.kill(self.pid, number)

    def said(self) -> str:
        """What it has written to its standard error so far."""
        return (Path(self.folder.name) / "err").read_text("utf-8", "replace")

    def runs(self) -> bool:
        """Whether it has not ended yet."""
        return psutil.pid_exists(self.pid)

    def done(self) -> subprocess.CompletedProcess[str]:
        """Wait for its end; the exit code is negative for a signal, as subprocess has it."""
        place = Path(self.folder.name)
        code = int((place / "code").read_text("utf-8"))  # a pipe: whoever reads it waits
        out, err = ((place / name).read_text("utf-8", "replace") for name in ("out", "err"))
        self.folder.cleanup()
        return subprocess.CompletedProcess(self.arguments, code, out, err)


def start(code: str, *arguments: object, cwd: Path = ROOT, env: Mapping[str, str] | None = None) -> Started:
    """Begin the program ``code``, whose ``sys.argv`` is ``recsys-cl`` and ``arguments``; ``env`` is added to ours and `PLAIN`."""
    folder, told = tempfile.TemporaryDirectory(), tuple(map(str, arguments))
    os.mkfifo(Path(folder.name) / "code")
    for stream in ("out", "err"):
        (Path(folder.name) / stream).touch()
    program = Path(folder.name) / "program.py"
    program.write_text(code, "utf-8")
    environment = {**os.environ, **PLAIN, **(env or {})}
    job = {"program": str(program), "argv": told, "cwd": str(cwd), "env": environment, "place": folder.name}
    server = _server()
    assert server.stdin is not None
    assert server.stdout is not None
    print(json.dumps(job), file=server.stdin, flush=True)
    return Started(folder, told, int(server.stdout.readline()))


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


def warmed() -> None:
    """Import what is heavy, and ingest a log: Ibis takes as long to write the statements of it as all else in a small one."""
    for name in HEAVY:
        import_module(name)
    from recsys_cl.core.protocols import Job
    from recsys_cl.core.settings import Component
    from recsys_cl.ingest.settings import Ingest
    from recsys_cl.stages.ingest import IngestStage

    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "log.csv"
        log.write_text("user_id,item_id,timestamp\n0,0,0\n", "utf-8")
        settings = Ingest(source=Component(use="csv", path=str(log)), threads=1)
        IngestStage(settings).run(Job(reads={}, scratch=Path(folder), fingerprint=""))


def _serve() -> None:
    warmed()
    print("ready", flush=True)  # noqa: T201 - the protocol
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits here for those who wait below
    for line in sys.stdin:
        if os.fork() == 0:
            _wait_for(json.loads(line))
            os._exit(0)


def _wait_for(job: dict[str, Any]) -> None:
    """Run the job in a process of its own, say which, and write how it ended."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    child = os.fork()
    if child == 0:
        _become(job)
    os.write(1, f"{child}\n".encode())
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
