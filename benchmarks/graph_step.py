"""Training steps of the graph recipes against the same methods written plainly, in alternation in one process.

``python -m benchmarks.graph_step`` reads ``gowalla/train.txt`` under RECSYS_CL_REAL_DATA and prints, for each recipe,
milliseconds of a step: processor time with one thread, which neighbours hardly change, and wall time with two. The optimiser
and the drawing of batches and negatives are part of a step on both sides, drawing dropped graphs and shuffling once an epoch
on neither.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import torch

from benchmarks.graph_reference import Reference, Setup
from benchmarks.graphs import real
from recsys_cl.config import Recipe, load_recipe
from recsys_cl.core.chance import generator
from recsys_cl.core.values import Interactions, ItemFeatures
from recsys_cl.stages.assemble import assemble
from recsys_cl.training import heap

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


def ours(recipe: Recipe, data: Interactions, features: ItemFeatures | None = None) -> Iterator[None]:
    """The project's own path: feed, views, encoder, objectives, fused optimiser; forever."""
    built = assemble(recipe, data, seed=1, device=torch.device("cpu"), features=features)
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
    """Alternate laps of both, with one thread and with two; the medians and their ratios."""
    recipe = load_recipe(setup.method, {"encoder": {"layers": setup.layers}})
    mine, plain = ours(recipe, data), Reference(setup, data).steps()
    next(mine), next(plain)
    figures: dict[str, float | int | str] = {"recipe": setup.method, "layers": setup.layers}
    fast, slow = ({threads: Laps() for threads in (1, 2)} for _ in range(2))
    for _ in range(laps):
        for threads in (1, 2):
            torch.set_num_threads(threads)
            with heap.kept():  # as training does
                fast[threads].run(mine, steps)
            slow[threads].run(plain, max(1, steps // 16))
    for name, ours_ms, reference_ms in (("cpu_1t", fast[1].cpu, slow[1].cpu), ("wall_2t", fast[2].wall, slow[2].wall)):
        figures[f"{name}_ms"], figures[f"{name}_ms_reference"] = statistics.median(ours_ms), statistics.median(reference_ms)
        figures[f"{name}_ratio"] = statistics.median(reference_ms) / statistics.median(ours_ms)
    return figures


def step_cost(recipe: Recipe, data: Interactions, laps: int, steps: int) -> float:
    """Median milliseconds of processor time of one step with one thread."""
    torch.set_num_threads(1)
    running, timed = ours(recipe, data), Laps()
    next(running)
    with heap.kept():
        for _ in range(laps):
            timed.run(running, steps)
    return statistics.median(timed.cpu)


def main() -> None:
    """Measure and print; ``benchmarks.graph`` also writes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--laps", type=int, default=3)
    parser.add_argument("--steps", type=int, default=32, help="of ours in a lap; the reference runs a sixteenth of them")
    parser.add_argument("--only", nargs="*", default=[setup.method for setup in SETUPS])
    asked = parser.parse_args()
    data = real("gowalla")
    if data is None:
        raise SystemExit("no gowalla/train.txt: set RECSYS_CL_REAL_DATA to the folder that holds it")
    for setup in SETUPS:
        if setup.method in asked.only:
            row = compare(setup, data, asked.laps, asked.steps)
            print(*(f"{name} {value:.1f}" if isinstance(value, float) else value for name, value in row.items()), sep="  ")


if __name__ == "__main__":
    main()
