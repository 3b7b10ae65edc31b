"""A hundred deaths: a pipeline is ended at random moments, run again and again, and must come out as if nothing had been.

A quarter of the moments fall anywhere in a run, most of them while it imports; the others within a second and a half of
the first stage that has something to do. Seconds are the processor's, so that what else the machine does moves no moment.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import psutil

from benchmarks.measure import ROOT
from recsys_cl.core.files import digest_file
from recsys_cl.stages.store import COST, RECEIPT, Receipt, verify

PIPELINE = """
name = "{name}"
[ingest.source]
use = "csv"
path = "log.csv"
[prepare]
split = {{ use = "leave_last_out" }}
[[experiments]]
recipe = "mf-bpr"
set.training = {{ epochs = 3, refit = true }}
set.encoder.dim = 8
"""
KILLS = 100
MINUTES = float(os.environ.get("RECSYS_CL_KILL_MINUTES", "1440"))  # of one sitting
COUNTED = ("metrics.json", "report.json", "index.html", "report.md", "registration", RECEIPT, COST)
"""Files that hold times, run ids, or how often the test part was opened, which a kill adds to."""
EXPLAINED = {
    "0": "done before its moment came",
    "-9": "kill -9",
    "130": "SIGTERM, heard",
    "-15": "SIGTERM while Python itself was starting or ending, when nobody listens",
    "-2": "SIGTERM, heard: under `python -m` CPython ends so where it passed through `exec` of a text; 130 in a shell",
}
"""How a run may end. Whatever else is kept with what the run said."""


def kills(scratch: Path) -> dict[str, Any]:
    """Die and go on, from an empty folder to a registered model and again, until 100 have died; then one run in peace."""
    peace, folder, note = scratch / "peace", scratch / "killed", scratch / "kills.json"
    if not note.exists():
        for each in (peace, folder):
            shutil.rmtree(each, ignore_errors=True)
            small(each, "small")
        _, status, usage = os.wait4(start(peace, "run", "small.toml").pid, 0)
        assert status == 0
        note.write_text(json.dumps({"seconds": usage.ru_utime + usage.ru_stime, "runs": []}))
    told = json.loads(note.read_text("utf-8"))
    until = time.monotonic() + 60 * MINUTES
    while (deaths := sum(run["ended"] != "0" for run in told["runs"])) < KILLS:
        if time.monotonic() > until:
            raise SystemExit(f"{deaths} of {KILLS} deaths so far; the same command goes on")
        run = _one_run(folder, len(told["runs"]), told["seconds"])
        told["runs"].append(run)
        note.write_text(json.dumps(told))
    return {**_summary(told), **_aftermath(folder, peace)}


def _summary(told: dict[str, Any]) -> dict[str, Any]:
    runs = told["runs"]
    died = [run for run in runs if run["ended"] != "0"]
    return {
        "runs": len(runs),
        "deaths": len(died),
        "ended_by": dict(Counter(run["ended"] for run in runs)),
        "meaning": {code: EXPLAINED[code] for code in sorted({run["ended"] for run in runs} & EXPLAINED.keys())},
        "unexplained": [{"ended": run["ended"], "said": run["said"]} for run in runs if run["ended"] not in EXPLAINED],
        "stage_when_killed": dict(Counter(run["stage"] for run in died).most_common()),
        "begun_anew": len(runs) - len(died),
        "damaged_artifacts": sum(run["damaged"] for run in runs),
        "undisturbed_processor_seconds": round(told["seconds"], 1),
    }


def _aftermath(folder: Path, peace: Path) -> dict[str, Any]:
    """Reap, run once in peace, and compare every file that holds no time."""
    running_before = runs_by_status(folder).get("RUNNING", 0)
    reaped = start(folder, "runs", "reap").wait()
    after_reap = runs_by_status(folder)
    last = start(folder, "run", "small.toml").wait()
    mine, theirs = _digests(folder), _digests(peace)
    return {
        "running_before_reap": running_before,
        "reap_exit_code": reaped,
        "running_after_reap": after_reap.get("RUNNING", 0),
        "clean_run_exit_code": last,
        "files_compared": len(theirs),
        "same_final_digests": mine == theirs,
        "left_over": len(list((folder / "data" / "small").glob(".scratch/*"))),
    }


def _one_run(folder: Path, number: int, whole: float) -> dict[str, Any]:
    """One run that dies at a random moment, or is done before; then all that a reader can see must be whole."""
    chance, said = random.Random(number), folder / "said.txt"
    began = time.perf_counter()
    said.unlink(missing_ok=True)
    process = start(folder, "run", "small.toml", "--log-format", "json", log=said)
    if number % 8 > 1:
        _until(process, lambda: b'"status": "running"' in said.read_bytes())
        moment = _spent(process) + chance.uniform(0, 1.5)
    else:
        moment = chance.uniform(0.1, whole)
    _until(process, lambda: _spent(process) >= moment)
    process.send_signal(signal.SIGKILL if number % 2 else signal.SIGTERM)  # nothing is sent to one that has ended
    code = str(process.wait())
    run = {"ended": code, "stage": _stage(said), "damaged": _damaged(folder), "seconds": round(time.perf_counter() - began, 2)}
    if code == "0":
        shutil.rmtree(folder / "data")  # done: from the start again, into the same store of runs
    return run if code in EXPLAINED else {**run, "said": said.read_text("utf-8")[-4000:]}


def _until(process: subprocess.Popen[bytes], come: Callable[[], bool]) -> None:
    """Until it has come, or the process has ended."""
    while process.poll() is None and not come():
        time.sleep(0.005)


def _spent(process: subprocess.Popen[bytes]) -> float:
    """Seconds of the processor."""
    try:
        times = psutil.Process(process.pid).cpu_times()
    except psutil.NoSuchProcess:
        return float("inf")
    return float(times.user + times.system)


def _stage(said: Path) -> str:
    """The last that the run said of its stages."""
    lines = [json.loads(line) for line in said.read_text("utf-8").splitlines() if line.startswith("{") and line.endswith("}")]
    stages = [line for line in lines if line["event"] == "stage"]
    if not stages:
        return "before the first stage"
    return str(stages[-1]["stage"]) if stages[-1]["status"] == "running" else f"after {stages[-1]['stage']}"


def _damaged(folder: Path) -> int:
    """Artifacts that can be seen and are not what their receipts say."""
    found = 0
    for made in (folder / "data" / "small").glob("[!.]*/*"):
        try:
            receipt = Receipt(made, json.loads((made / RECEIPT).read_text("utf-8")))
            for name in receipt.facts["writes"]:
                verify(name, receipt.artifact(name))
        except Exception as error:  # whatever is wrong with it is what is counted
            print(f"{made}: {error}", file=sys.stderr)
            found += 1
    return found


def _digests(folder: Path) -> dict[str, str]:
    """SHA-256 of every committed file that holds no time, by stage and name; fingerprints follow such files."""
    files = [path for path in (folder / "data" / "small").glob("[!.]*/*/**/*") if path.is_file() and path.name not in COUNTED]
    parts = {path: path.relative_to(folder / "data" / "small").parts for path in files}
    return {"/".join((stage, *rest)): digest_file(path) for path, (stage, _fingerprint, *rest) in parts.items()}


def small(folder: Path, *names: str) -> Path:
    """A folder with a log of thirty users and a pipeline of each name."""
    folder.mkdir(parents=True)
    rows = (f"u{user},i{(user * 7 + n * n) % 23},{1_600_000_000 + 60 * n + user}" for user in range(30) for n in range(8))
    (folder / "log.csv").write_text("\n".join(("user_id,item_id,timestamp", *rows)) + "\n")
    for name in names:
        (folder / f"{name}.toml").write_text(PIPELINE.format(name=name))
    return folder


def start(folder: Path, *arguments: str, log: Path | None = None) -> subprocess.Popen[bytes]:
    """A command that begins in ``folder``, with a store of its own there; what it says goes to ``log``."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    environment.pop("MLFLOW_TRACKING_URI", None)
    with (log or folder / "log.txt").open("a") as stream:
        return subprocess.Popen(
            [sys.executable, "-m", "recsys_cl", *arguments], cwd=folder, env=environment, stdout=stream, stderr=stream
        )


def runs_by_status(folder: Path) -> dict[str, int]:
    """How many runs of the store have each status, by the database itself: opening it by the package would close some."""
    path = folder / "mlruns" / "mlflow.db"
    if not path.exists():
        return {}
    with closing(sqlite3.connect(path)) as database:
        return dict(database.execute("SELECT status, count(*) FROM runs GROUP BY status").fetchall())
