"""A data set that grows day by day: a day's 100,000 events appended to 20 million, and a small log from a cold start.

``python -m benchmarks.daily`` runs ``recsys-cl ingest --input`` as a user would, each time in a process of its own, and writes
``benchmarks/results/daily.json``. The day is the end of the same made-up log, so its users and items are mostly known.
"""

from __future__ import annotations

import argparse
import tempfile
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.ingest_logs import made_log
from benchmarks.measure import Measured, command, keep, peak_gb

DAY = 100_000
TARGETS = {"cold, 1,000 rows": 2.0, "a day appended": 10.0}


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=20_000_000)
    parser.add_argument("--logs", type=Path, default=Path(tempfile.gettempdir()) / "recsys-cl-logs")
    asked = parser.parse_args()
    asked.logs.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=asked.logs) as scratch:
        folder = Path(scratch)
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:  # its memory would count as that of what comes
            history, day = pool.submit(_parted, made_log(asked.rows, "parquet", asked.logs), folder).result()
        runs = {
            "cold, 1,000 rows": _ingest(made_log(1000, "csv", asked.logs), folder / "small"),
            "the history, first": _ingest(history, folder / "shop"),
            "a day appended": _ingest(day, folder / "shop"),
            "the same day again": _ingest(day, folder / "shop"),
        }
    keep(
        "daily",
        {"command": "python -m benchmarks.daily", "rows": asked.rows, **{name: _told(name, run) for name, run in runs.items()}},
    )


def _parted(log: Path, folder: Path) -> tuple[Path, Path]:
    """The log without its newest day's worth of events, and those."""
    table = pq.read_table(log)
    order = table["timestamp"].to_numpy().argsort(kind="stable")
    paths = folder / "history.parquet", folder / "day.parquet"
    for path, rows in zip(paths, (order[:-DAY], order[-DAY:]), strict=True):
        pq.write_table(table.take(pa.array(rows)), path)
    return paths


def _ingest(path: Path, out: Path) -> Measured:
    return command("ingest", "--input", str(path), "--out", str(out), folder=out.parent)


def _told(name: str, run: Measured) -> dict[str, object]:
    counts = {key: run.answer[key] for key in ("rows_in", "rows_kept", "rows", "version")}
    target = {"target_seconds": TARGETS[name]} if name in TARGETS else {}
    return {"seconds": round(run.seconds, 2), "peak_gb": peak_gb(run.peak_mib), **target, **counts}


if __name__ == "__main__":
    main()
