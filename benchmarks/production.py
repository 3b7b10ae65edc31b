"""What an unattended pipeline must stand: ``python -m benchmarks.production`` writes ``results/production.json``.

| part | what |
|---|---|
| starts | seconds of ``import recsys_cl`` and of ``recsys-cl --help``, the best of seven fresh processes |
| unchanged | seconds of `make demo`'s pipeline, run again with nothing changed |
| together | six processes at once on a fresh ``mlruns/`` |
| kills | `benchmarks.deaths`: 100 runs ended by kill -9 or, every second one, SIGTERM at random moments, then one left alone |

A part that stands in the results is not measured again without ``--again``; ``--only NAME`` takes one. The kills leave their
state in ``--scratch`` after every run and go on there.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.deaths import kills, runs_by_status, small, start
from benchmarks.measure import RESULTS, ROOT, command, keep

ASKED = {"unchanged": "<= 6 s", "together": "6 FINISHED", "import": "<= 0.3 s", "--help": "<= 0.5 s"}
ASKED |= {"kills": "no damaged artifact, no RUNNING run after reap, same final digests"}


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
    folder = small(scratch / "together", *(f"shop-{number}" for number in range(6)))
    running = [start(folder, "run", f"shop-{number}.toml") for number in range(6)]
    codes = [process.wait() for process in running]
    return {"exit_codes": codes, "runs": runs_by_status(folder)}


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
