"""A training step over two domains against a step of each domain alone, in alternation in one process.

``python -m benchmarks.cross`` makes its data up, in the proportions of Amazon's games and videos, prints milliseconds of a
step (processor time with one thread) and writes ``benchmarks/results/cross.json``. A step over both domains takes as many
interactions of each as the steps of one domain do, carries all that ``cross-domain-nce`` carries, and learns both at once;
a step of one domain is ``lightgcn`` with the same loss on that domain's own users and items.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
from datetime import UTC, datetime
from pathlib import Path

import torch

from benchmarks.graph_step import Laps, ours
from recsys_cl.config import load_recipe
from recsys_cl.core.values import Interactions, ItemFeatures, Modality, Shape
from recsys_cl.training import heap

USERS, SHARED, ITEMS, EVENTS = (25_025, 19_457), 1_736, (12_319, 8_751), 155_000
OUT = Path(__file__).parent / "results" / "cross.json"


def domain(number: int) -> Interactions:
    """One domain with its own ids: users and items drawn with the uneven weights of a log."""
    rng = torch.Generator().manual_seed(number)
    shape = Shape(USERS[number], ITEMS[number])

    def drawn(count: int) -> torch.Tensor:
        return (torch.rand(EVENTS, generator=rng).square() * count).long()

    return Interactions(shape, drawn(shape.users), drawn(shape.items), torch.zeros(EVENTS, dtype=torch.int64))


def together(one: Interactions, other: Interactions) -> tuple[Interactions, ItemFeatures]:
    """Both as one log; the first ``SHARED`` users of each are the same people."""
    shape = Shape(sum(USERS) - SHARED, sum(ITEMS))
    theirs = torch.where(other.users < SHARED, other.users, other.users + USERS[0] - SHARED)
    users, items = torch.cat((one.users, theirs)), torch.cat((one.items, other.items + ITEMS[0]))
    belongs = (torch.arange(shape.items) >= ITEMS[0]).long()
    told = Modality(torch.nn.functional.one_hot(belongs).float(), torch.ones(shape.items, dtype=torch.bool))
    return Interactions(shape, users, items, torch.zeros_like(users)), ItemFeatures({"domain": told})


def measure(laps: int, count: int, batch: int) -> dict[str, float]:
    """Medians over ``laps`` of ``count`` steps each, alternating."""
    torch.set_num_threads(1)
    parts = [domain(number) for number in range(2)]
    whole, features = together(*parts)
    alone = load_recipe("pooled", {"source": {"batch_size": batch}})
    both = load_recipe("cross-domain-nce", {"source": {"batch_size": 2 * batch}})
    running = [ours(both, whole, features), *(ours(alone, part, None) for part in parts)]
    timed = [Laps() for _ in running]
    for each in running:
        next(each)
    with heap.kept():  # as training does
        for _ in range(laps):
            for each, laps_of in zip(running, timed, strict=True):
                laps_of.run(each, count)
    cross, one, other = (statistics.median(each.cpu) for each in timed)
    return {"cross_ms": cross, "first_ms": one, "second_ms": other, "ratio": cross / (one + other)}


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--laps", type=int, default=25)
    parser.add_argument("--steps", type=int, default=8, help="in a lap")
    parser.add_argument("--batch", type=int, default=1024, help="interactions of each domain in a step")
    parser.add_argument("--out", type=Path, default=OUT)
    asked = parser.parse_args()
    figures = measure(asked.laps, asked.steps, asked.batch)
    for name, value in figures.items():
        print(f"{name} {value:.2f}")
    facts = {"date": datetime.now(UTC).date().isoformat(), "machine": platform.machine(), "torch": torch.__version__}
    settings = {"laps": asked.laps, "steps": asked.steps, "batch": asked.batch, "threads": 1}
    asked.out.write_text(json.dumps({**facts, **settings, **figures, "target": 1.3}, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
