"""What a process holds of a large table while it trains, alone and with it in shards: ``python -m benchmarks.shards``.

A table of two million rows of 64 under ``mf-bpr``, which looks rows up, and ``lightgcn`` (one layer), which needs all of them
for a product. The peak is that of the steps: what making the table took before is forgotten. Writes ``shards.json``.
"""

from __future__ import annotations

import gc
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch

from benchmarks.graphs import made_up
from benchmarks.measure import ROOT, keep, peak_mib
from recsys_cl.config import load_recipe
from recsys_cl.core.runtime import Runtime
from recsys_cl.ops.ranks import ALONE
from recsys_cl.stages.assemble import assemble
from recsys_cl.stages.crew import company
from recsys_cl.training.checkpoint import Folder
from recsys_cl.training.in_step import in_step

USERS, ITEMS, EDGES, STEPS = 1_500_000, 500_000, 2_000_000, 6
RECIPES = {"mf-bpr": {}, "lightgcn": {"encoder": {"layers": 1}}}


def steps(recipe: str) -> dict[str, float]:
    """Peak MiB over what was held without the table, and seconds of a step, in as many processes as have been started."""
    torch.set_num_threads(1)
    with company(Runtime()) as crew:
        ranks, known = crew.ranks if crew else ALONE, made_up(USERS, ITEMS, EDGES)
        made = assemble(load_recipe(recipe, RECIPES[recipe]), known, 1, torch.device("cpu"), ranks=ranks, shards=True)
        table = made.method.module.get_parameter("encoder.table")
        method, feed, _ = in_step(made.method, made.feed, Folder(Path()), ranks)
        optimizer = torch.optim.Adam(method.module.parameters(), lr=1e-3, fused=True)
        batches, rng = [], torch.Generator().manual_seed(1)
        for _, batch in zip(range(STEPS), feed.training(rng), strict=False):
            batches.append(batch)
        gc.collect()
        before = _resident_mib() - table.numel() * 4 / 2**20
        Path("/proc/self/clear_refs").write_text("5", "utf-8")  # from here on a new peak
        seconds = []
        for batch in batches:
            began = time.perf_counter()
            loss = torch.stack(list(method.losses(batch, rng).values())).sum()
            optimizer.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            seconds.append(time.perf_counter() - began)
        return {"peak_mib": peak_mib() - before, "rows": len(table), "seconds": statistics.median(seconds[1:])}


def _resident_mib() -> float:
    lines = Path("/proc/self/status").read_text("utf-8").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS:")) / 2**10


def _measured(recipe: str, processes: int, folder: Path) -> dict[str, float]:
    out = folder / f"{recipe}-{processes}"
    launch = ["-m", "torch.distributed.run", "--nproc-per-node", str(processes)] if processes > 1 else []
    subprocess.run([sys.executable, *launch, "-m", "benchmarks.shards", recipe, str(out)], cwd=ROOT, check=True)
    found: dict[str, float] = json.loads(out.read_text("utf-8"))
    return found


def main() -> None:
    """Measure everything, or with two arguments one recipe in this process, which then writes to the file named."""
    if len(sys.argv) > 1:
        Path(sys.argv[2]).write_text(json.dumps(steps(sys.argv[1])), "utf-8")
        return
    rows: list[dict[str, Any]] = []
    with TemporaryDirectory() as folder:
        for recipe in RECIPES:
            for processes in (1, 2):
                rows.append({"recipe": recipe, "processes": processes, **_measured(recipe, processes, Path(folder))})
    table = (USERS + ITEMS) * 64 * 4 / 2**20
    keep("shards", {"users": USERS, "items": ITEMS, "dim": 64, "table_mib": table, "backend": "gloo", "rows": rows})


if __name__ == "__main__":
    main()
