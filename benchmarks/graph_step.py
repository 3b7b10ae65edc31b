"""Training steps of the graph recipes against the same methods written plainly, in alternation in one process.

``python -m benchmarks.graph_step --threads 1`` reads ``gowalla/train.txt`` under RECSYS_CL_REAL_DATA and prints, for each
recipe, milliseconds of a step (processor and wall), and the ratio. One thread's processor time is robust to neighbours; wall
time is not. The optimiser and the drawing of batches and negatives are part of a step on both sides, drawing dropped
graphs and shuffling once an epoch on neither.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import torch

from benchmarks.graph_reference import Reference, Setup
from recsys_cl.config import Recipe, load_recipe
from recsys_cl.core.chance import generator
from recsys_cl.core.values import Interactions, Shape
from recsys_cl.stages.assemble import assemble

SETUPS = (
    Setup("lightgcn", 3),
    Setup("xsimgcl", 2, weight=0.2, temperature=0.15, eps=0.2, include_input=False),
    Setup("simgcl", 2, weight=0.5, temperature=0.2, eps=0.1, include_input=False),
    Setup("sgl-edge", 2, weight=0.1, temperature=0.2, rate=0.1),
)


@dataclass
class Laps:
    """Milliseconds of a step, one entry a lap."""

    wall: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)

    def run(self, steps: Iterator[None], count: int) -> None:
        """Measure ``count`` steps more."""
        wall, cpu = time.perf_counter(), time.process_time()
        for _ in range(count):
            next(steps)
        self.wall.append((time.perf_counter() - wall) * 1e3 / count)
        self.cpu.append((time.process_time() - cpu) * 1e3 / count)


def read(path: Path) -> Interactions:
    """A published split: a line is a user id followed by item ids."""
    if not path.exists():
        raise SystemExit(f"no {path}: set RECSYS_CL_REAL_DATA to the folder that holds gowalla/train.txt")
    rows = [torch.tensor([int(number) for number in line.split()]) for line in path.read_text("utf-8").splitlines()]
    users = torch.cat([row[:1].expand(len(row) - 1) for row in rows])
    items = torch.cat([row[1:] for row in rows])
    return Interactions(Shape(int(users.max()) + 1, int(items.max()) + 1), users, items, torch.zeros_like(users))


def ours(recipe: Recipe, data: Interactions) -> Iterator[None]:
    """The project's own path: feed, views, encoder, objectives, fused optimiser; forever."""
    built = assemble(recipe, data, seed=1, device=torch.device("cpu"))
    optimizer = torch.optim.Adam(built.method.module.parameters(), lr=1e-3, fused=True)
    rng = generator(1, "training")
    while True:
        for batch in built.feed.training(rng):
            loss = sum(built.method.losses(batch, rng).values(), start=torch.zeros(()))
            optimizer.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            yield


def compare(setup: Setup, data: Interactions, laps: int, steps: int) -> dict[str, float | int | str]:
    """Alternate laps of both; the medians and their ratios."""
    recipe = load_recipe(setup.method, {"encoder": {"layers": setup.layers}})
    mine, plain = ours(recipe, data), Reference(setup, data).steps()
    next(mine), next(plain)
    fast, slow = Laps(), Laps()
    for _ in range(laps):
        fast.run(mine, steps)
        slow.run(plain, 2)
    middle = {
        "cpu_ms": statistics.median(fast.cpu),
        "cpu_ms_reference": statistics.median(slow.cpu),
        "wall_ms": statistics.median(fast.wall),
        "wall_ms_reference": statistics.median(slow.wall),
    }
    ratios = {
        "ratio_cpu": middle["cpu_ms_reference"] / middle["cpu_ms"],
        "ratio_wall": middle["wall_ms_reference"] / middle["wall_ms"],
    }
    return {"recipe": setup.method, "layers": setup.layers, **middle, **ratios}


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--laps", type=int, default=3)
    parser.add_argument("--steps", type=int, default=32, help="of ours in a lap; the reference runs two")
    parser.add_argument("--only", nargs="*", default=[setup.method for setup in SETUPS])
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/graph_step.json"))
    asked = parser.parse_args()
    torch.set_num_threads(asked.threads)

    data = read(Path(os.environ.get("RECSYS_CL_REAL_DATA", "../shared/data")) / "gowalla" / "train.txt")
    rows = []
    for setup in SETUPS:
        if setup.method in asked.only:
            rows.append(compare(setup, data, asked.laps, asked.steps))
            numbers = (f"{name} {value:.1f}" for name, value in rows[-1].items() if isinstance(value, float))
            print(f"{setup.method}-{setup.layers}", *numbers, sep="  ", flush=True)
    machine = {"threads": asked.threads, "torch": torch.__version__, "processor": platform.processor() or platform.machine()}
    asked.out.parent.mkdir(parents=True, exist_ok=True)
    asked.out.write_text(json.dumps({"data": "gowalla", **machine, "steps": rows}, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
