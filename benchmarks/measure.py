"""Run a command as a user would, and measure it: seconds, peak memory of the largest process, and what it printed."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
RESULTS = Path(__file__).parent / "results"


@dataclass(frozen=True)
class Measured:
    """One command's cost and its last line of JSON."""

    command: str
    seconds: float
    peak_mib: float
    answer: dict[str, Any]


def command(*arguments: str, folder: Path) -> Measured:
    """Run ``recsys-cl ARGUMENTS --json`` with its stores in ``folder``."""
    full = [sys.executable, "-m", "recsys_cl", *arguments, "--json"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "MLFLOW_TRACKING_URI": f"sqlite:///{folder}/mlruns/mlflow.db"}
    began = time.perf_counter()
    process = subprocess.Popen(full, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    printed = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)  # the kernel's own account of this one process
    seconds = time.perf_counter() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise SystemExit(f"{' '.join(arguments)} ended with {process.returncode}")
    return Measured(f"recsys-cl {' '.join(arguments)}", seconds, usage.ru_maxrss / 1024, json.loads(printed.splitlines()[-1]))


def peak_mib() -> float:
    """The most that this program has held; ``ru_maxrss`` would count what its parent held when it was started, too."""
    lines = Path("/proc/self/status").read_text("utf-8").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) / 2**10


def peak_gb(mib: float) -> float:
    """GB of 10^9 bytes, as targets are told in."""
    return round(mib * 2**20 / 1e9, 2)


def machine() -> dict[str, Any]:
    """What a figure was measured on."""
    import torch

    lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines() if Path("/proc/cpuinfo").exists() else []
    model = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.processor())
    return {"cpu": model, "cores": os.cpu_count(), "torch": torch.__version__, "python": platform.python_version()}


def earlier(name: str, parts: Iterable[str]) -> dict[str, Any]:
    """What ``results/NAME.json`` holds of ``parts``, each with its own date: what is not measured again stays."""
    path = RESULTS / f"{name}.json"
    before = json.loads(path.read_text("utf-8")) if path.exists() else {}
    return {part: before[part] for part in parts if part in before}


def keep(name: str, figures: dict[str, Any]) -> None:
    """Write ``results/NAME.json`` and print the figures."""
    RESULTS.mkdir(exist_ok=True)
    record = {"machine": machine(), "date": datetime.now(UTC).date().isoformat(), **figures}
    (RESULTS / f"{name}.json").write_text(json.dumps(record, indent=2) + "\n", "utf-8")
    print(f"{name}: {json.dumps(figures, indent=2)}")
