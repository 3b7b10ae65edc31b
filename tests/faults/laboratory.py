"""A tiny pipeline in a folder of its own, and one process that runs its commands under faults."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from recsys_cl.stages.store import RECEIPT, Receipt, verify

ROOT = Path(__file__).parents[2]
STAGES = ("ingest", "prepare", "train", "evaluate", "report", "register")
PIPELINE = """
name = "small"
[ingest.source]
use = "csv"
path = "log.csv"
[prepare]
split = { use = "leave_last_out" }
[[experiments]]
recipe = "mf-bpr"
set.training = { epochs = 2, refit = false }
set.encoder.dim = 8
"""
LOG = "user_id,item_id,timestamp\n" + "".join(f"u{u},i{(u + n) % 7},{1_600_000_000 + n}\n" for u in range(5) for n in range(5))
_NUMBERS = count()
TIMED = {
    "receipt.json",
    "cost.json",
    "metrics.json",
    "report.json",
    "index.html",
    "report.md",
    "registration",
}


@dataclass(frozen=True, slots=True)
class Ended:
    """How a command ended: its exit code (negative: a signal), what it said, and its file operations."""

    code: int
    said: str
    operations: list[str]


@dataclass(frozen=True, slots=True, eq=False)
class Laboratory:
    """``folder/work`` is what the pipeline sees; snapshots of it lie beside, and come back to the same place."""

    folder: Path
    process: subprocess.Popen[str]
    sees_libraries: bool  # whether writes of libraries are counted: the shim does, the wrapped functions of Python do not

    @property
    def work(self) -> Path:
        return self.folder / "work"

    def run(self, *arguments: str, at: int = -1, kind: str = "none", after: float | None = None) -> Ended:
        log, trace, number = self.folder / "log", self.folder / "trace", next(_NUMBERS)
        fault = {"at": at, "kind": kind, "after": after}
        job = {
            "folder": str(self.work),
            "log": str(log),
            "trace": str(trace),
            "arguments": arguments,
            "number": number,
            **fault,
        }
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        print(json.dumps(job), file=self.process.stdin, flush=True)
        answered = -1
        while answered != number:  # a test that ran out of time has left its answer unread
            answered, code = map(int, self.process.stdout.readline().split())
        return Ended(code, log.read_text("utf-8", "replace"), trace.read_text("utf-8", "replace").splitlines())

    def begin(self) -> None:
        shutil.rmtree(self.work, ignore_errors=True)
        self.work.mkdir()
        (self.work / "small.toml").write_text(PIPELINE)
        (self.work / "log.csv").write_text(LOG)

    def keep(self, name: str) -> None:
        shutil.copytree(self.work, self.folder / name, symlinks=True)

    def back_to(self, name: str) -> None:
        shutil.rmtree(self.work)
        shutil.copytree(self.folder / name, self.work, symlinks=True)

    def visible(self) -> dict[str, str]:
        """The digest of every committed file that holds no time; whatever a reader finds must be whole."""
        digests: dict[str, str] = {}
        for folder in sorted((self.work / "data" / "small").glob("[!.]*/*")):
            assert (folder / RECEIPT).is_file(), f"{folder} can be seen and is not finished"
            receipt = Receipt(folder, json.loads((folder / RECEIPT).read_text()))
            for name in receipt.facts["writes"]:
                verify(name, receipt.artifact(name))
            for path in sorted(path for path in folder.rglob("*") if path.is_file() and path.name not in TIMED):
                name = str(path.relative_to(self.work))
                digests[name] = hashlib.sha256(path.read_bytes()).hexdigest()
        return digests

    def left_over(self) -> list[str]:
        """What a finished command must not leave: scratch, temporary files, half-made databases."""
        found = [
            path
            for path in self.work.rglob("*")
            if path.name.endswith((".tmp", ".new", "-journal", "-wal")) or path.name.startswith("tmp")
        ]
        return [str(path) for path in [*found, *(self.work / "data" / "small").glob(".scratch/*")]]


@contextmanager
def laboratory(folder: Path) -> Iterator[Laboratory]:
    """Build the shim where there is a C compiler, and start the process that runs commands."""
    shim = folder / "shim.so"
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is not None:
        source = Path(__file__).with_name("shim.c")
        done = subprocess.run(
            [compiler, "-shared", "-fPIC", "-O1", "-o", str(shim), str(source), "-ldl"], check=False, capture_output=True
        )
        compiler = compiler if done.returncode == 0 else None
    if compiler is None:
        print("no C compiler: only what Python itself does to files is counted")  # noqa: T201 - the reason for a skip
    quiet = {
        "OMP_NUM_THREADS": "1",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "DO_NOT_TRACK": "true",
        "NO_COLOR": "1",
        "PYTHONPATH": str(ROOT),
    }
    environment = {**os.environ, **quiet, **({"LD_PRELOAD": str(shim)} if compiler else {})}
    command = [sys.executable, str(Path(__file__).with_name("victim.py"))]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield Laboratory(folder, process, compiler is not None)
        process.stdin.close()
