"""Does a graph of a billion edges fit? The arithmetic of docs/distributed.md, held against the peak memory of scaled trainings.

``python -m benchmarks.scale`` trains XSimGCL a few steps on made-up graphs, each in a process of its own, and compares the
largest resident set that the process ever had with what the arithmetic says. Users and items are to edges as 50 M and 10 M are
to 1 B.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from dataclasses import asdict, dataclass
from typing import Any

from benchmarks.measure import ROOT, keep, peak_mib

EDGES = (10_000_000, 20_000_000, 40_000_000)
BATCH, DIM = 4096, 64


@dataclass(frozen=True)
class Bytes:
    """What a training holds at its peak, by what it is for; the optimizer has two moments, the table is fp32."""

    interactions: int  # users, items, times: int64
    adjacency: int  # each edge twice: int32 column, fp32 weight; and the int64 number of its way back
    ends: int  # of each edge, int64, from which batches are cut
    sampler: int  # of each edge two int64, of each user two
    order: int  # of the epoch, int64
    table: int  # weights, two moments, and the last step's gradient, which lives until the next forward pass has been made
    activations: int  # forward: one whole layer and the same with noise; backward: the gradient before and after a product

    @property
    def total(self) -> int:
        """All of it."""
        return sum(asdict(self).values())


def nodes(edges: int) -> tuple[int, int]:
    """How many users and items a graph of ``edges`` edges has here."""
    return edges // 20, edges // 100


def arithmetic(edges: int, dim: int = DIM) -> Bytes:
    """XSimGCL with two layers. Entries are numbered in 32 bits below 2^31 of them, two an edge; beyond, columns take 64."""
    users, items = nodes(edges)
    index = 4 if 2 * edges < 2**31 else 8
    row = (users + items) * dim * 4
    adjacency = edges * (2 * index + 2 * 4 + 8) + (users + items) * index
    return Bytes(24 * edges, adjacency, 16 * edges, 16 * edges + 16 * users, 8 * edges, 4 * row, 2 * row)


def _steps(edges: int, steps: int) -> float:
    """Some steps on a made-up graph; the peak before the first of them, MiB."""
    import torch

    from recsys_cl.config import load_recipe
    from recsys_cl.core.values import Interactions, Shape
    from recsys_cl.stages.assemble import assemble

    rng = torch.Generator().manual_seed(1)
    shape = Shape(*nodes(edges))
    asking, answering = (torch.randint(side, (edges,), generator=rng) for side in (shape.users, shape.items))
    data = Interactions(shape, asking, answering, torch.zeros_like(asking))
    made = assemble(load_recipe("xsimgcl", {"source": {"batch_size": BATCH}}), data, 1, torch.device("cpu"))
    built = peak_mib()
    optimizer = torch.optim.Adam(made.method.module.parameters(), lr=1e-3, fused=True)
    for _, batch in zip(range(steps), made.feed.training(rng), strict=False):
        loss = torch.stack(list(made.method.losses(batch, rng).values())).sum()
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    return built


def train(edges: int, steps: int) -> dict[str, Any]:
    """Build and train in this process; its own peaks, and what the arithmetic says of them."""
    import torch

    torch.set_num_threads(2)
    _steps(20_000, 1)  # so that the program itself, its libraries and what it draws once are there
    before = peak_mib()
    built = _steps(edges, steps)
    users, items = nodes(edges)
    parts = arithmetic(edges)
    predicted = before + parts.total / 2**20
    return {
        "edges": edges,
        "users": users,
        "items": items,
        "program_mib": round(before),
        "built_mib": round(built),
        "peak_mib": round(peak_mib()),
        "predicted_mib": round(predicted),
        "measured_over_predicted": round(peak_mib() / predicted, 3),
        "parts_mib": {name: round(value / 2**20) for name, value in asdict(parts).items()},
    }


def main() -> None:
    """Measure each size in a process of its own, and write ``results/scale.json``."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--edges", type=int, help="measure this size in this process and print it")
    parser.add_argument("--sizes", type=int, nargs="+", default=EDGES, help="edges of each graph")
    parser.add_argument("--steps", type=int, default=3)
    asked = parser.parse_args()
    if asked.edges:
        print(json.dumps(train(asked.edges, asked.steps)))
        return
    rows = []
    for edges in asked.sizes:
        command = [sys.executable, "-m", "benchmarks.scale", "--edges", str(edges), "--steps", str(asked.steps)]
        rows.append(json.loads(subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout))
        print(json.dumps(rows[-1]), flush=True)
    billion = {name: round(value / 2**30, 1) for name, value in asdict(arithmetic(10**9)).items()}
    total = round(arithmetic(10**9).total / 2**30, 1)
    keep("scale", {"recipe": "xsimgcl", "dim": DIM, "batch": BATCH, "rows": rows, "billion_gib": {**billion, "total": total}})


if __name__ == "__main__":
    main()
