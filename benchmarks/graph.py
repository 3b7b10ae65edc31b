"""``make bench-graph``: what the graph family promises in speed and memory, measured and written to results/graph.json.

``python -m benchmarks.graph [NAME ...] [--laps N] [--steps N]`` measures the named parts, or all: ``steps`` (four recipes
against the plain reference), ``evaluation`` (full ranking), ``edges`` (cost of a step against the number of edges) and
``memory`` (peak of a process that trains and ranks). Gowalla is read under RECSYS_CL_REAL_DATA; without it, a made-up graph
of its size takes its place, and the record says so.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import torch

from benchmarks import evaluation
from benchmarks.graph_step import SETUPS, compare, ours, step_cost
from benchmarks.graphs import made_up, real
from benchmarks.measure import ROOT, earlier, keep, peak_mib
from recsys_cl.config import load_recipe
from recsys_cl.core.values import Encoding, Interactions, Ragged
from recsys_cl.evaluation.rank import rank
from recsys_cl.ops.adjacency import connect
from recsys_cl.ops.ordering import local
from recsys_cl.ops.propagate import propagate

GOWALLA = (29_858, 40_981, 810_128)
ASKED = {
    "lightgcn": {"ratio": 12, "ms": 26},
    "xsimgcl": {"ratio": 12, "ms": 27},
    "simgcl": {"ratio": 20, "ms": 34},
    "sgl-edge": {"ratio": 12, "ms": 65},
    "evaluation": {"ratio": 12, "seconds": 0.6},
    "edges": {"slope": 1.05},
    "memory": {"gib": 0.9},
}
"""The least ratio to the reference, and the most milliseconds, seconds, slope or GiB on a quiet machine of two cores."""


def data() -> tuple[str, Interactions]:
    """Gowalla, or what has its size, and which of the two it is."""
    found = real("gowalla")
    return ("gowalla", found) if found is not None else ("made up, of Gowalla's size", made_up(*GOWALLA))


def steps(laps: int, count: int) -> dict[str, Any]:
    """A training step of each recipe beside the reference's."""
    name, interactions = data()
    found = yardsticks(interactions)
    rows = [compare(setup, interactions, laps, count) | {"asked": ASKED[setup.method]} for setup in SETUPS]
    return {"data": name, "yardsticks": found, "rows": rows}


def yardsticks(interactions: Interactions) -> dict[str, float]:
    """What the machine gives in the same minutes, the best of some times with two threads: a step can be no faster.

    One product of the adjacency with 64 columns, its nodes as they come and as training keeps them; the rate of a copy.
    """
    torch.set_num_threads(2)
    shape, users, items = interactions.shape, interactions.users, interactions.items
    table, large = torch.randn(shape.users + shape.items, 64), torch.ones(2**26)
    target = torch.empty_like(large)
    plain, kept = (connect(shape, users, items, ordering=order).matrix for order in (None, local(shape, users, items)))
    return {
        "product_ms": best(lambda: propagate(plain, table)) * 1e3,
        "product_ordered_ms": best(lambda: propagate(kept, table)) * 1e3,
        "copy_gb_s": 2 * 4 * large.numel() / best(lambda: target.copy_(large)) / 1e9,
    }


def best(work: Callable[[], object], times: int = 15) -> float:
    """Seconds of the fastest of some runs."""
    clocks = []
    for _ in range(times):
        begun = time.perf_counter()
        work()
        clocks.append(time.perf_counter() - begun)
    return min(clocks)


def full_ranking(laps: int, count: int) -> dict[str, Any]:  # noqa: ARG001 - all parts are called alike
    """Processor seconds with one thread, wall seconds with two, of ranking everything for all users of Gowalla's size."""
    figures: dict[str, Any] = {"asked": ASKED["evaluation"]}
    for threads, clock in ((1, "cpu"), (2, "wall")):
        torch.set_num_threads(threads)
        found: dict[str, Any] = evaluation.compare(laps)
        seconds = found[f"{clock}_seconds"]
        figures[f"{clock}_{threads}t"] = {**seconds, "ratio": found[f"ratio_{clock}"]}
    return figures


def edges(laps: int, count: int) -> dict[str, Any]:
    """XSimGCL's step on one, two, four and eight times Gowalla's edges: among as many nodes, and among as many times more."""
    users, items, base = GOWALLA
    figures: dict[str, Any] = {"clock": "cpu_1t", "asked": ASKED["edges"]}
    for name, grows in (("nodes_fixed", False), ("nodes_too", True)):
        sizes, costs = [], []
        for factor in (1, 2, 4, 8):
            more = factor if grows else 1
            graph = made_up(users * more, items * more, base * factor)
            sizes.append(len(graph))
            costs.append(step_cost(load_recipe("xsimgcl"), graph, laps, max(1, count // (2 * factor))))
        figures[name] = {"edges": sizes, "ms": costs, "slope": slope(sizes, costs)}
    return figures


def slope(sizes: list[int], costs: list[float]) -> float:
    """Least-squares slope of log cost against log size."""
    x, y = [math.log(size) for size in sizes], [math.log(cost) for cost in costs]
    middle_x, middle_y = sum(x) / len(x), sum(y) / len(y)
    above = sum((a - middle_x) * (b - middle_y) for a, b in zip(x, y, strict=True))
    return above / sum((a - middle_x) ** 2 for a in x)


def memory(laps: int, count: int) -> dict[str, Any]:  # noqa: ARG001
    """Peak resident memory of a process of its own that reads Gowalla, trains XSimGCL and ranks everybody."""
    command = [sys.executable, "-m", "benchmarks.graph", "train-and-rank", "--steps", str(count)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    return {**json.loads(done.stdout.splitlines()[-1]), "asked": ASKED["memory"]}


def train_and_rank(count: int) -> dict[str, Any]:
    """What ``memory`` measures: some steps, then the top 20 of all users."""
    name, interactions = data()
    training = ours(load_recipe("xsimgcl"), interactions)
    for _ in range(count):
        next(training)
    shape, rng = interactions.shape, torch.Generator().manual_seed(1)
    vectors = Encoding(torch.randn(shape.users, 64, generator=rng), torch.randn(shape.items, 64, generator=rng))
    everyone = torch.arange(shape.users)
    held_out = Ragged(everyone % shape.items, torch.arange(shape.users + 1))
    rank(vectors, held_out, interactions.by_user(), 20, 2**28)
    peak = peak_mib() / 2**10
    return {"data": name, "recipe": "xsimgcl", "steps": count, "peak_gib": peak}


PARTS: dict[str, Callable[[int, int], dict[str, Any]]] = {
    "steps": steps,
    "evaluation": full_ranking,
    "edges": edges,
    "memory": memory,
}


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", default=[], help=", ".join(PARTS))
    parser.add_argument("--laps", type=int, default=5)
    parser.add_argument("--steps", type=int, default=32, help="of ours in a lap")
    parser.add_argument("--name", default="graph", help="of the file under results/")
    asked = parser.parse_args()
    if asked.parts == ["train-and-rank"]:
        print(json.dumps(train_and_rank(asked.steps)))
        return
    unknown = set(asked.parts) - set(PARTS)
    if unknown:
        raise SystemExit(f"no part {sorted(unknown)}; valid: {', '.join(PARTS)}")
    figures = earlier(asked.name, PARTS)
    for part in asked.parts or PARTS:
        told = {"date": datetime.now(UTC).date().isoformat(), "laps": asked.laps, "steps_a_lap": asked.steps}
        figures[part] = {**told, **PARTS[part](asked.laps, asked.steps)}
        keep(asked.name, {"command": "make bench-graph", **figures})


if __name__ == "__main__":
    main()
