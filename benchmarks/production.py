"""What an unattended pipeline must stand: ``python -m benchmarks.production`` writes ``results/production.json``.

| part | what |
|---|---|
| starts | seconds of ``import recsys_cl`` and of ``recsys-cl --help``, the best of seven fresh processes |
| unchanged | seconds of `make demo`'s pipeline, run again with nothing changed |
| together | six processes at once on a fresh ``mlruns/`` |
| kills | 100 runs ended by kill -9 or, every second one, by SIGTERM at random moments, then one left alone |

A part that stands in the results is not measured again without ``--again``; ``--only NAME`` takes one. The kills leave their
state in ``--scratch`` after every run and go on there.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.measure import RESULTS, ROOT, command, keep
from recsys_cl.stages.store import COST, RECEIPT, Receipt, verify

ASKED = {"unchanged": "<= 6 s", "together": "6 FINISHED", "import": "<= 0.3 s", "--help": "<= 0.5 s"}
ASKED |= {"kills": "no damaged artifact, no RUNNING run after reap, same final digests"}
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


def starts(_scratch: Path) -> dict[str, Any]:
    """Fresh processes; the best of seven, so that what else the machine does is left out."""
    cases = {"import": ["-c", "import recsys_cl"], "--help": ["-m", "recsys_cl", "--help"]}
    return {name: round(min(_seconds(arguments) for _ in range(7)), 3) for name, arguments in cases.items()}


def _seconds(arguments: list[str]) -> float:
    began = time.perf_counter()
    subprocess.run([sys.executable, *arguments], cwd=ROOT, check=True, capture_output=True)
    return time.perf_counter() - began


def unchanged(scratch: Path) -> dict[str, Any]:
    """The built-in pipeline, made and then found up to date three times; all of them, and the slowest counts."""
    folder = scratch / "demo"
    runs = [command("run", "pipelines/demo.toml", "--data-dir", str(folder / "data"), folder=folder) for _ in range(4)]
    for again in runs[1:]:
        assert all(stage["status"] == "skipped" for stage in again.answer["stages"])
    return {"stages": len(runs[0].answer["stages"]), "seconds": [round(run.seconds, 2) for run in runs[1:]]}


def together(scratch: Path) -> dict[str, Any]:
    """Six pipelines begun at the same moment where there is no store yet."""
    folder = _small(scratch / "together", *(f"shop-{number}" for number in range(6)))
    running = [_start(folder, "run", f"shop-{number}.toml") for number in range(6)]
    codes = [process.wait() for process in running]
    return {"exit_codes": codes, "runs": _runs(folder)}


def kills(scratch: Path) -> dict[str, Any]:
    """Die and go on, from an empty folder to a registered model and again, until 100 have died; then one run in peace."""
    peace, folder, note = scratch / "peace", scratch / "killed", scratch / "kills.json"
    if not note.exists():
        for each in (peace, folder):
            shutil.rmtree(each, ignore_errors=True)
            _small(each, "small")
        began = time.perf_counter()
        assert _start(peace, "run", "small.toml").wait() == 0
        note.write_text(json.dumps({"seconds": time.perf_counter() - began, "runs": []}))
    told = json.loads(note.read_text("utf-8"))
    until = time.monotonic() + 60 * MINUTES
    while (deaths := sum(run["ended"] != "0" for run in told["runs"])) < KILLS:
        if time.monotonic() > until:
            raise SystemExit(f"{deaths} of {KILLS} deaths so far; the same command goes on")
        run = _one_run(folder, len(told["runs"]), told["seconds"])
        told["runs"].append(run)
        if run["ended"] == "0":
            told["seconds"] = min(told["seconds"], run["seconds"])  # so that deaths fall within a run's time
        note.write_text(json.dumps(told))
    running_before = _runs(folder).get("RUNNING", 0)
    reaped = _start(folder, "runs", "reap").wait()
    after_reap = _runs(folder)
    last = _start(folder, "run", "small.toml").wait()
    mine, theirs = _digests(folder), _digests(peace)
    return {
        "runs": len(told["runs"]),
        "deaths": deaths,
        "ended_by": dict(Counter(run["ended"] for run in told["runs"])),
        "stage_when_killed": dict(Counter(run["stage"] for run in told["runs"] if run["ended"] != "0")),
        "begun_anew": sum(run["ended"] == "0" for run in told["runs"]),
        "damaged_artifacts": sum(run["damaged"] for run in told["runs"]),
        "running_before_reap": running_before,
        "reap_exit_code": reaped,
        "running_after_reap": after_reap.get("RUNNING", 0),
        "clean_run_exit_code": last,
        "files_compared": len(theirs),
        "same_final_digests": mine == theirs,
        "left_over": len(list((folder / "data" / "small").glob(".scratch/*"))),
        "fastest_undisturbed_seconds": round(told["seconds"], 1),
    }


def _one_run(folder: Path, number: int, whole: float) -> dict[str, Any]:
    """One run that dies at a random moment, or is done before; then all that a reader can see must be whole."""
    chance = random.Random(number)
    began = time.perf_counter()
    process = _start(folder, "run", "small.toml")
    try:
        process.wait(chance.uniform(0.1, whole))
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGKILL if number % 2 else signal.SIGTERM)
    code = process.wait()
    seconds = round(time.perf_counter() - began, 2)
    stage = _newest(folder)
    if code == 0:
        shutil.rmtree(folder / "data")  # done: from the start again, into the same store of runs
    return {"ended": str(code), "stage": stage, "damaged": _damaged(folder), "seconds": seconds}


def _newest(folder: Path) -> str:
    """The stage that was being made: the one whose scratch was left, or else what follows the receipt written last."""
    scratch = sorted((folder / "data" / "small").glob(".scratch/*"), key=lambda path: path.stat().st_mtime)
    return scratch[-1].name.rpartition("-")[0] if scratch else "between stages"


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
    from recsys_cl.core.files import digest_file

    files = [path for path in (folder / "data" / "small").glob("[!.]*/*/**/*") if path.is_file() and path.name not in COUNTED]
    parts = {path: path.relative_to(folder / "data" / "small").parts for path in files}
    return {"/".join((stage, *rest)): digest_file(path) for path, (stage, _fingerprint, *rest) in parts.items()}


def _small(folder: Path, *names: str) -> Path:
    """A folder with a log of thirty users and a pipeline of each name."""
    folder.mkdir(parents=True)
    rows = (f"u{user},i{(user * 7 + n * n) % 23},{1_600_000_000 + 60 * n + user}" for user in range(30) for n in range(8))
    (folder / "log.csv").write_text("\n".join(("user_id,item_id,timestamp", *rows)) + "\n")
    for name in names:
        (folder / f"{name}.toml").write_text(PIPELINE.format(name=name))
    return folder


def _start(folder: Path, *arguments: str) -> subprocess.Popen[bytes]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    environment.pop("MLFLOW_TRACKING_URI", None)
    with (folder / "log.txt").open("a") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "recsys_cl", *arguments], cwd=folder, env=environment, stdout=log, stderr=log
        )


def _runs(folder: Path) -> dict[str, int]:
    """How many runs of the store have each status, by the database itself: opening it by the package would close some."""
    import sqlite3
    from contextlib import closing

    path = folder / "mlruns" / "mlflow.db"
    if not path.exists():
        return {}
    with closing(sqlite3.connect(path)) as database:
        return dict(database.execute("SELECT status, count(*) FROM runs GROUP BY status").fetchall())


PARTS: dict[str, Callable[[Path], dict[str, Any]]] = {
    "starts": starts,
    "unchanged": unchanged,
    "together": together,
    "kills": kills,
}


def main() -> None:
    """Measure what is asked for and not known yet."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=PARTS, action="append")
    parser.add_argument("--again", action="store_true", help="measure what is known, too")
    parser.add_argument("--scratch", type=Path, default=Path(tempfile.gettempdir()) / "recsys-cl-production")
    asked = parser.parse_args()
    path = RESULTS / "production.json"
    known = json.loads(path.read_text("utf-8"))["parts"] if path.exists() else {}
    for name in asked.only or PARTS:
        if name in known and not asked.again:
            continue
        (scratch := asked.scratch / name).mkdir(parents=True, exist_ok=True)
        known[name] = PARTS[name](scratch)
        keep("production", {"command": "make bench-production", "asked": ASKED, "parts": known})
        shutil.rmtree(scratch)


if __name__ == "__main__":
    main()
