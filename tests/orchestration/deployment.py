"""What ``make schedule`` starts, started for a test: the same command in a folder and on a port of its own."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event
from typing import Any, TypeVar

import psutil

from benchmarks.nights import write_day

T = TypeVar("T")
ROOT = Path(__file__).parents[2]
LOCATION = "recsys_cl.orchestration.definitions"
PIPELINE = """
name = "clock"

[ingest.source]
use = "dataset"
path = "{root}/shop"

[prepare]
split = {{ use = "time" }}

[schedule]
cron = "* * * * *"
retries = 1
backoff_seconds = 1

[schedule.append]
input = "{root}/logs/{{day}}.csv"
since = "{since}"

[[experiments]]
recipe = "mf-bpr"
set.encoder.dim = 4
set.training = {{ epochs = 1, refit = false }}
"""


def command() -> list[str]:
    """The line of ``make schedule`` that serves, word by word; what is set before it comes first."""
    told = subprocess.run(["make", "--dry-run", "schedule"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    [line] = [line for line in told.splitlines() if "dagster dev" in line]
    return shlex.split(line)


@dataclass
class Deployment:
    """The page, the clock and the code server over ``root``; started and stopped as often as a test likes."""

    root: Path
    port: int
    days: list[str] = field(default_factory=list)
    _running: subprocess.Popen[bytes] | None = None
    _pause: Event = field(default_factory=Event)

    def prepare(self, days: int = 4) -> None:
        """Logs of today and of the ``days`` before it, and a pipeline that runs every minute."""
        today = datetime.now(UTC).date()
        self.days = [(today - timedelta(days=n)).isoformat() for n in range(days, 0, -1)]
        for day in (*self.days, today.isoformat()):
            write_day(self.root / "logs", day, 300, planted=False)
        for name in ("pipelines", "home", "user"):
            (self.root / name).mkdir()
        (self.root / "pipelines" / "clock.toml").write_text(PIPELINE.format(root=self.root, since=self.days[0]))
        shutil.copy(ROOT / "recsys_cl" / "orchestration" / "dagster.yaml", self.root / "home")

    def start(self) -> None:
        words = command()
        program = next(place for place, word in enumerate(words) if word.endswith("bin/dagster"))
        settings = dict(word.split("=", 1) for word in words[:program])
        arguments = words[program + 1 :]
        arguments[arguments.index("--port") + 1] = str(self.port)
        environment = {**os.environ, **settings, "HOME": str(self.root / "user"), "DAGSTER_HOME": str(self.root / "home")}
        environment |= {"PYTHONPATH": str(ROOT), "RECSYS_CL_PIPELINES": "pipelines", "OMP_NUM_THREADS": "1", "NO_COLOR": "1"}
        with (self.root / "log").open("a") as log, _heard(signal.SIGINT):
            self._running = subprocess.Popen(
                [sys.executable, "-m", "dagster", *arguments],
                cwd=self.root,
                env=environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self.until(self._answers, "the page answers")

    def stop(self) -> list[psutil.Process]:
        """As `kill` or Ctrl-C does; the processes that are still there when they had time enough, on a busy machine too."""
        if self._running is None:
            return []
        family = self.family()
        self._running.send_signal(signal.SIGINT)
        _, left = psutil.wait_procs(family, timeout=300)
        for process in left:
            process.kill()
        self._running.wait(30)
        self._running = None
        return left

    def family(self) -> list[psutil.Process]:
        """Every process of it."""
        assert self._running is not None
        one = psutil.Process(self._running.pid)
        return [one, *one.children(recursive=True)]

    def listening(self) -> set[str]:
        """The addresses, other than files, at which its processes can be reached."""
        found: set[str] = set()
        for process in self.family():
            found |= {each.laddr.ip for each in process.net_connections("inet") if each.status == psutil.CONN_LISTEN}
        return found

    def ask(self, query: str, **variables: Any) -> dict[str, Any]:
        """The answer to a GraphQL question."""
        body = json.dumps({"query": query, "variables": variables}).encode()
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}/graphql", body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=120) as reply:
            answer = json.load(reply)
        assert "errors" not in answer, answer
        return dict(answer["data"])

    def runs(self) -> list[dict[str, Any]]:
        """Every run, oldest first: ``id``, ``status``, ``tags``."""
        said = self.ask("{ runsOrError { ... on Runs { results { runId status tags { key value } } } } }")
        return [
            {"id": run["runId"], "status": run["status"], "tags": {tag["key"]: tag["value"] for tag in run["tags"]}}
            for run in reversed(said["runsOrError"]["results"])
        ]

    def by_the_clock(self) -> list[dict[str, Any]]:
        """The runs that the schedule began."""
        return [run for run in self.runs() if "dagster/schedule_name" in run["tags"]]

    def until(self, look: Callable[[], T], what: str, seconds: float = 600) -> T:
        """What ``look`` sees as soon as it is true."""
        for _ in range(int(seconds * 2)):
            with suppress(OSError):  # a page that does not answer now is asked again
                if found := look():
                    return found
            self._pause.wait(0.5)
        raise AssertionError(f"not after {seconds} s: {what}\n{(self.root / 'log').read_text()[-4000:]}")

    def _answers(self) -> bool:
        assert self._running is not None
        assert self._running.poll() is None, (self.root / "log").read_text()[-4000:]
        try:
            return "locationEntries" in json.dumps(
                self.ask("{ workspaceOrError { ... on Workspace { locationEntries { id } } } }")
            )
        except OSError:
            return False


@contextmanager
def _heard(number: signal.Signals) -> Iterator[None]:
    """A process that is started meanwhile hears the signal, however this one was started.

    What a shell starts in the background ignores SIGINT, programs inherit that, and Dagster then ignores SIGTERM, too.
    """
    before = signal.signal(number, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(number, before)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
