"""`recsys-cl recommend` on a large model: users a second and peak memory of the whole process."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.measure import ROOT, command
from recsys_cl.core.values import Shape

K = 50


def batch(shape: Shape, sample: int) -> dict[str, Any]:
    """Lists of `K` for the first ``sample`` users of a model with random vectors, as a user would ask for them."""
    with TemporaryDirectory() as scratch:
        folder = Path(scratch)
        making = [sys.executable, "-m", "benchmarks.serving_model", str(folder / "model"), str(shape.users), str(shape.items)]
        subprocess.run(making, cwd=ROOT, check=True)  # apart: the kernel counts a parent's memory as its child's peak
        (folder / "users.csv").write_text("user_id\n" + "".join(f"user-{number}\n" for number in range(sample)), "utf-8")
        asked = ["--model", str(folder / "model"), "--out", str(folder / "out"), "--k", str(K)]
        asked += [] if sample == shape.users else ["--users", str(folder / "users.csv")]
        done = command("recommend", *asked, folder=folder)
        size = sum(path.stat().st_size for path in (folder / "out").iterdir())
    return {
        "what": f"{sample:,} of {shape.users:,} users x {shape.items:,} items x 64, top {K}, unseen items; random vectors",
        "users_per_second": sample / done.answer["seconds"],
        "seconds": done.answer["seconds"],
        "seconds_with_start_and_loading": done.seconds,
        "peak_mib": done.peak_mib,
        "written_mib": size / 2**20,
        "rows": done.answer["rows"],
    }
