"""The table of comparisons against the obvious way to resample: seconds, memory, and the same intervals.

``python -m benchmarks.paired_statistics`` compares 8 recipes by 10 metrics over 30,000 users with 2,000 resamples (bootstrap,
sign flips, paired t, Holm), then draws some resamples one at a time with fancy indexing and extrapolates. (A file called
``statistics.py`` would hide the standard library's from its neighbours.)
"""

from __future__ import annotations

import argparse
import json
import platform
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.measure import peak_mib
from recsys_cl.evaluation.compare import bootstrap_intervals, compare_all

Values = NDArray[np.float64]


def planted(users: int, columns: int) -> Values:
    """Differences as metrics give them: half of them zero, the others skewed, a small effect in every second column."""
    rng = np.random.default_rng(0)
    differences = rng.exponential(1.0, (users, columns)) - 1.0
    differences[rng.random(differences.shape) < 0.5] = 0.0
    differences += 0.02 * (np.arange(columns) % 2)
    return differences


def one_resample_at_a_time(differences: Values, resamples: int) -> Values:
    """The reference: draw rows, average them, again and again; means [resamples, C]."""
    rng = np.random.default_rng(1)
    users = len(differences)
    return np.stack([differences[rng.integers(0, users, users)].mean(0) for _ in range(resamples)])


def timed(work: Callable[[], Any]) -> tuple[float, float, Any]:
    """Wall seconds, CPU seconds, and what came out."""
    wall, cpu = time.perf_counter(), time.process_time()
    result = work()
    return time.perf_counter() - wall, time.process_time() - cpu, result


def measure(users: int, columns: int, resamples: int, sample: int) -> dict[str, Any]:
    """Both ways; peak memory is of the process, libraries included, before the reference runs."""
    differences = planted(users, columns)
    wall, cpu, table = timed(lambda: compare_all(differences, torch.Generator().manual_seed(0), resamples))
    peak = peak_mib()
    slow_wall, slow_cpu, means = timed(lambda: one_resample_at_a_time(differences, sample))
    ours = bootstrap_intervals(differences, torch.Generator().manual_seed(0), resamples)
    spread = means.std(0)
    widths = np.array([one.high - one.low for one in ours]) / (2 * 1.96 * spread)
    return {
        "what": f"{users:,} users x {columns} comparisons, {resamples:,} resamples",
        "wall_seconds": {"ours": wall, "reference, bootstrap alone, extrapolated": slow_wall * resamples / sample},
        "cpu_seconds": {"ours": cpu, "reference, bootstrap alone, extrapolated": slow_cpu * resamples / sample},
        "peak_mib": peak,
        "interval_width_against_reference": float(widths.mean()),
        "significant": sum(one.adjusted <= 0.05 for one in table),
    }


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--users", type=int, default=30_000)
    parser.add_argument("--columns", type=int, default=80)
    parser.add_argument("--resamples", type=int, default=2_000)
    parser.add_argument("--sample", type=int, default=60, help="resamples of the reference")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/statistics.json"))
    asked = parser.parse_args()
    torch.set_num_threads(asked.threads)

    measured = measure(asked.users, asked.columns, asked.resamples, asked.sample)
    measured |= {"threads": asked.threads, "torch": torch.__version__, "processor": platform.processor() or platform.machine()}
    for name, value in measured.items():
        print(f"{name:34} {value:.4g}" if isinstance(value, float) else f"{name:34} {value}")
    asked.out.parent.mkdir(parents=True, exist_ok=True)
    asked.out.write_text(json.dumps(measured, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
