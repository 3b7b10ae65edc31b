"""What a step costs in one process and in two, one thread each: ``python -m benchmarks.processes`` writes ``processes.json``.

A made-up graph of Gowalla's size under XSimGCL, and made-up histories of Beauty's size under SASRec with a softmax over all
items. Speed-up is the median step of one process over that of two; on one machine they also share its memory's bandwidth.
"""

from __future__ import annotations

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
from benchmarks.measure import ROOT, keep
from recsys_cl.config import load_recipe
from recsys_cl.core.runtime import Runtime
from recsys_cl.ops.ranks import ALONE
from recsys_cl.stages.assemble import assemble
from recsys_cl.stages.crew import company
from recsys_cl.training.checkpoint import Folder
from recsys_cl.training.in_step import in_step

TASKS = {"xsimgcl": (29_858, 40_981, 810_128), "sasrec-softmax": (22_363, 12_093, 150_258)}
STEPS = 30


def steps(recipe: str) -> float:
    """Median seconds of a step of ``recipe``, in as many processes as have been started."""
    torch.set_num_threads(1)
    with company(Runtime()) as crew:
        ranks = crew.ranks if crew else ALONE
        made = assemble(load_recipe(recipe), made_up(*TASKS[recipe]), 1, torch.device("cpu"), ranks=ranks)
        method, feed, _ = in_step(made.method, made.feed, Folder(Path()), ranks)
        optimizer = torch.optim.Adam(method.module.parameters(), lr=1e-3, fused=True)
        rng, seconds, began = torch.Generator().manual_seed(1), [], time.perf_counter()
        for _, batch in zip(range(STEPS), feed.training(rng), strict=False):
            loss = torch.stack(list(method.losses(batch, rng).values())).sum()
            optimizer.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            ended = time.perf_counter()
            seconds.append(ended - began)
            began = ended
    return statistics.median(seconds[3:])


def _measured(recipe: str, processes: int, folder: Path) -> float:
    out = folder / f"{recipe}-{processes}"
    launch = ["-m", "torch.distributed.run", "--nproc-per-node", str(processes)] if processes > 1 else []
    subprocess.run([sys.executable, *launch, "-m", "benchmarks.processes", recipe, str(out)], cwd=ROOT, check=True)
    return float(out.read_text("utf-8"))


def main() -> None:
    """Measure everything, or with two arguments one recipe in this process, which then writes to the file named."""
    if len(sys.argv) > 1:
        Path(sys.argv[2]).write_text(json.dumps(steps(sys.argv[1])), "utf-8")
        return
    rows: list[dict[str, Any]] = []
    with TemporaryDirectory() as folder:
        for recipe in TASKS:
            one, two = (_measured(recipe, processes, Path(folder)) for processes in (1, 2))
            rows.append({"recipe": recipe, "one_ms": one * 1e3, "two_ms": two * 1e3, "speed_up": one / two})
    keep("processes", {"threads_each": 1, "steps": STEPS, "backend": "gloo", "rows": rows})


if __name__ == "__main__":
    main()
