"""Recipes train side by side, each in a process of its own: the same command for one stage, so the same bytes come out."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from time import perf_counter
from typing import Any

from recsys_cl.core.errors import RecsysError, Refused, Unavailable
from recsys_cl.core.logs import VARIABLE
from recsys_cl.core.protocols import Stage
from recsys_cl.core.spinning import BRIEFLY, SPIN
from recsys_cl.stages.explain import explain
from recsys_cl.stages.runner import Status, run_stages
from recsys_cl.stages.store import Store

_STOPPED = (130, -signal.SIGTERM, -signal.SIGINT)
_GROUP = "train/"


@dataclass(frozen=True, slots=True)
class Worker:
    """How one stage is run by itself."""

    pipeline: str
    assignments: tuple[str, ...]
    data_dir: Path
    tracking_uri: str | None

    def command(self, stage: str) -> list[str]:
        """The command line."""
        changes = [part for each in self.assignments for part in ("--set", each)]
        run = [sys.executable, "-m", "recsys_cl", "run", self.pipeline, *changes]
        return [*run, "--data-dir", str(self.data_dir), "--only", stage]

    @property
    def environment(self) -> dict[str, str]:
        """With the store's address, which may hold a password: kept off the command line. What is said is read here.

        Workers want each other's cores, so their threads wait asleep.
        """
        store = {"MLFLOW_TRACKING_URI": self.tracking_uri} if self.tracking_uri else {}
        return {SPIN: BRIEFLY, **os.environ, VARIABLE: "text", **store}


def train_ahead(
    stages: Sequence[Stage], store: Store, worker: Worker, jobs: int, watch: Callable[[str, Status, float], None]
) -> dict[str, float]:
    """Train whatever is to be trained, ``jobs`` recipes at a time; the runner then finds it made. The seconds of each.

    What training stands on is made first, in this process.
    """
    training = [number for number, stage in enumerate(stages) if stage.name.startswith(_GROUP)]
    if not training:
        return {}
    before = {
        one.stage.name: one.seconds for one in run_stages(stages[: training[0]], store, _silent).done if one.status == "done"
    }
    reasons = explain(stages[: training[-1] + 1], store)
    lacking = [one.stage for one in reasons if one.will == "run" and one.stage.startswith(_GROUP)]
    return before | run_side_by_side(lacking, worker.command, jobs, watch, worker.environment)


def run_side_by_side(
    names: Sequence[str],
    command: Callable[[str], list[str]],
    jobs: int,
    watch: Callable[[str, Status, float], None],
    environment: Mapping[str, str] | None = None,
) -> dict[str, float]:
    """Run the ``command`` of every name, ``jobs`` at a time, in ``environment`` (by default ours); the seconds each took.

    When one fails none is begun any more, those under way are finished, and the first failure is raised. When this process
    is stopped, they are stopped too, and go on from their checkpoints next time.

    Raises:
        RecsysError: of the kind that the process ended with.
    """
    crew = _Crew(environment)
    with ThreadPoolExecutor(jobs) as pool, crew.stopped_with_us():  # the pool waits for its threads: stop what they wait for
        pending = {name: pool.submit(crew.run, name, command(name), watch) for name in names}
        taken = {name: future.result() for name, future in pending.items() if future.exception() is None}
    if crew.failure is not None:
        raise crew.failure
    return taken


def _silent(_stage: str, _status: Status, _seconds: float) -> None:
    """The runner tells of these stages in its turn."""


class _Crew:
    """The processes under way."""

    def __init__(self, environment: Mapping[str, str] | None) -> None:
        self._environment = environment
        self.failure: BaseException | None = None
        self._running: list[subprocess.Popen[Any]] = []
        self._lock = Lock()

    def run(self, name: str, command: list[str], watch: Callable[[str, Status, float], None]) -> float:
        """Run one process to its end, unless another has failed before; the seconds it took."""
        began = perf_counter()
        with self._lock:
            if self.failure is not None:
                return 0.0
            watch(name, "running", 0.0)
            process = subprocess.Popen(
                command, env=self._environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
            )
            self._running.append(process)
        _, said = process.communicate()
        with self._lock:
            self.failure = self.failure or _failure(process.returncode, said)
        return perf_counter() - began

    @contextmanager
    def stopped_with_us(self) -> Iterator[None]:
        """Whatever ends this block early ends the processes too."""
        try:
            yield
        except BaseException as error:
            self.stop(error)
            raise

    def stop(self, why: BaseException) -> None:
        """Begin nothing more, and ask what is under way to stop."""
        with self._lock:
            self.failure = self.failure or why
            for process in self._running:
                process.terminate()  # harmless where it has ended


def _failure(code: int, said: str) -> BaseException | None:
    if code == 0:
        return None
    if code in _STOPPED:
        return KeyboardInterrupt()
    lines = [line for line in said.splitlines() if line.startswith("recsys-cl: ")]
    message = lines[-1].removeprefix("recsys-cl: ") if lines else said.strip()[-500:] or f"its process ended with {code}"
    return {2: Refused, 3: Unavailable}.get(code, RecsysError)(message)
