"""From a log to a split data set: seconds, CPU seconds and peak memory of a process, beside the pandas way.

``python -m benchmarks.ingest`` makes logs in ``--logs`` (kept there), runs each case in a process of its own and writes
``benchmarks/results/ingest.json``. A case is FORMAT:ROWS with any of ``:pandas`` and ``:limit=4GB`` behind it;
``--large`` adds 100 million rows, also under an engine limit of 4 GB. Of cases that are named only those are measured again.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.measure import RESULTS, ROOT, keep, peak_gb, peak_mib

CASES = ("parquet:1000", "parquet:1M", "parquet:5M", "parquet:20M", "csv:20M", "jsonl:5M", "parquet:20M:pandas")
LARGE = ("parquet:100M", "parquet:100M:limit=4GB")
TARGETS = {  # seconds, GB of 10^9 bytes
    "parquet:1000": (2, 0.5),
    "parquet:20M": (20, 2.5),
    "csv:20M": (60, 2.5),
    "jsonl:5M": (20, 1.5),
    "parquet:100M": (240, 6.0),
}


@dataclass(frozen=True)
class Case:
    """One measurement, as its text says."""

    text: str

    @property
    def kind(self) -> str:
        """The format of the log."""
        return self.text.split(":")[0]

    @property
    def rows(self) -> int:
        """The length of the log."""
        return int(self.text.split(":")[1].replace("M", "000000"))

    @property
    def options(self) -> list[str]:
        """``pandas``, ``limit=4GB``."""
        return self.text.split(":")[2:]


def ours(path: Path, folder: Path, limit: str) -> dict[str, Any]:
    """Both stages as a pipeline runs them, but for the store: ingest, then a time split with a 5-core."""
    from recsys_cl.core.protocols import Job
    from recsys_cl.core.settings import Component
    from recsys_cl.ingest.prepare import KCore, Prepare
    from recsys_cl.ingest.settings import Ingest
    from recsys_cl.stages.ingest import IngestStage
    from recsys_cl.stages.prepare import PrepareStage

    seconds, began = {}, time.perf_counter()
    jobs = {name: Job(reads={}, scratch=folder / name, fingerprint=name) for name in ("ingest", "prepare")}
    for job in jobs.values():
        job.scratch.mkdir()
    source = Component.model_validate({"use": path.suffix[1:], "path": str(path)})
    counts = dict(IngestStage(Ingest(source=source, memory_limit=limit)).run(jobs["ingest"]))
    seconds["ingest"] = time.perf_counter() - began
    reads = {name: jobs["ingest"].out(name) for name in PrepareStage.reads}
    job = Job(reads=reads, scratch=jobs["prepare"].scratch, fingerprint="prepare")
    counts |= PrepareStage(Prepare(kcore=KCore(users=5, items=5), memory_limit=limit)).run(job)
    seconds["prepare"] = time.perf_counter() - began - seconds["ingest"]
    named = ("rows_in", "rows_kept", "rows_quarantined", "rows_deduplicated", "users", "items", "train", "valid", "test")
    return {**{name: int(counts[name]) for name in named}, "stages": {name: round(s, 1) for name, s in seconds.items()}}


def run_here(case: Case, path: Path) -> None:
    """The case itself, in the process that is measured; prints what it counted."""
    limit = next((option.partition("=")[2] for option in case.options if option.startswith("limit=")), "2GB")
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        done = _pandas(path, Path(folder)) if "pandas" in case.options else ours(path, Path(folder), limit)
    print(json.dumps({"peak_gb": peak_gb(peak_mib()), **done}))


def _pandas(path: Path, folder: Path) -> dict[str, int]:
    from benchmarks.ingest_pandas import pandas_way  # pandas is no cost of ours

    return pandas_way(path, folder)


def measured(case: Case, logs: Path) -> dict[str, Any]:
    """Make the log, then run the case in a fresh process; the kernel says what it took, and itself the most it held."""
    from benchmarks.ingest_logs import made_log

    path = made_log(case.rows, case.kind, logs)
    command = [sys.executable, "-m", "benchmarks.ingest", "--run", case.text, str(path)]
    began = time.perf_counter()
    process = subprocess.Popen(
        command, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    printed = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise SystemExit(f"{case.text} ended with {process.returncode}")
    counted = json.loads(printed.splitlines()[-1])
    cost = {"wall_seconds": wall, "cpu_seconds": usage.ru_utime + usage.ru_stime}
    target = dict(zip(("seconds", "gb"), TARGETS[case.text], strict=True)) if case.text in TARGETS else {}
    record = {**{name: round(value, 2) for name, value in cost.items()}, "target": target, **counted}
    print(f"{case.text:26} {wall:7.1f} s  {cost['cpu_seconds']:7.1f} CPU s  {counted['peak_gb']:5.2f} GB  {target}")
    return record


def summary(results: dict[str, dict[str, Any]]) -> dict[str, float]:
    """How cost grows with rows (slope of logarithms from a million on), and the ratio to pandas at equal size."""
    found: dict[str, float] = {}
    sized = sorted((Case(text).rows, r) for text, r in results.items() if text.startswith("parquet") and text.count(":") == 1)
    grown = [(rows, r) for rows, r in sized if rows >= 1_000_000]
    if len(grown) > 1:
        (small, first), (large, last) = grown[0], grown[-1]
        for cost in ("wall_seconds", "cpu_seconds"):
            found[f"slope_{cost}"] = round(math.log(last[cost] / first[cost]) / math.log(large / small), 3)
    for text, reference in results.items():
        mine = results.get(text.removesuffix(":pandas"))
        if text.endswith(":pandas") and mine:
            for cost in ("wall_seconds", "cpu_seconds", "peak_gb"):
                found[f"pandas_to_ours_{cost}"] = round(reference[cost] / mine[cost], 2)
    return found


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("cases", nargs="*", help=f"default: {' '.join(CASES)}")
    parser.add_argument("--large", action="store_true", help=f"also {' '.join(LARGE)}")
    parser.add_argument("--logs", type=Path, default=Path(tempfile.gettempdir()) / "recsys-cl-logs")
    parser.add_argument("--name", default="ingest", help="of the file in benchmarks/results")
    parser.add_argument("--run", action="store_true", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.run:
        run_here(Case(asked.cases[0]), Path(asked.cases[1]))
        return
    asked.logs.mkdir(parents=True, exist_ok=True)
    texts = [*(asked.cases or CASES), *(LARGE if asked.large else ())]
    before = RESULTS / f"{asked.name}.json"
    results = json.loads(before.read_text("utf-8"))["cases"] if asked.cases and before.exists() else {}
    results |= {text: measured(Case(text), asked.logs) for text in texts}
    keep(asked.name, {"command": "make bench-ingest", "cases": results, "summary": summary(results)})


if __name__ == "__main__":
    main()
