"""Training epochs and full-ranking evaluation on one device, as a table and as JSON; torch and its kin are all it needs.

``python -m benchmarks.gpu`` takes CUDA where there is any and the CPU otherwise, and names the device in what it writes.
Gowalla and Yelp2018 are measured where RECSYS_CL_REAL_DATA has them, made-up graphs of Amazon-Book's and ML-20M's size
anyway; ``--billion`` adds one of a billion edges. Then histories: Beauty's (or made-up ones of its size), and ML-20M's size in
bf16. ``--tiny`` replaces all by a graph and histories that any machine can do.

An epoch's seconds are those of a step times their number plus those of drawing the epoch; where ``--steps`` covers the epoch it
is a whole one. The clock is read after the device has finished.
"""

from __future__ import annotations

import argparse
import json
import platform
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch

from benchmarks import histories
from benchmarks.graphs import made_up, real
from recsys_cl.config import load_recipe
from recsys_cl.core.chance import generator
from recsys_cl.core.protocols import Method
from recsys_cl.core.values import Interactions, Ragged
from recsys_cl.evaluation.encode import encode_all
from recsys_cl.evaluation.rank import rank
from recsys_cl.stages.assemble import Assembly, assemble
from recsys_cl.training.precision import Bfloat16

SASREC = "sasrec-softmax"


@dataclass(frozen=True)
class Task:
    """Interactions to train on, the recipe, and the batch size that suits it."""

    name: str
    make: Callable[[], Interactions | None]
    batch: int = 2048
    recipe: str = "xsimgcl"
    bf16: bool = False


TASKS = (
    Task("gowalla", lambda: real("gowalla")),
    Task("yelp2018", lambda: real("yelp2018")),
    Task("made up, Amazon-Book's size", lambda: made_up(52_643, 91_599, 2_380_730)),
    Task("made up, ML-20M's size", lambda: made_up(138_493, 26_744, 20_000_263), 8192),
    Task("histories, Beauty", lambda: histories.beauty()[1], 256, SASREC),
    Task("histories, ML-20M's size", lambda: histories.made_up(138_493, 26_744, 144), 1024, SASREC, bf16=True),
)
TINY = (
    Task("made up, tiny", lambda: made_up(300, 200, 3_000), 256),
    Task("histories, tiny", lambda: histories.made_up(200, 100, 8), 64, SASREC, bf16=True),
)
BILLION = Task("made up, 1 B edges", lambda: made_up(50_000_000, 10_000_000, 1_000_000_000), 2**20)
ASKED = {
    "yelp2018": 0.3,
    "made up, Amazon-Book's size": 1.0,
    "made up, ML-20M's size": 10.0,
    "histories, Beauty": 0.3,
    "histories, ML-20M's size": 15.0,
}
"""Seconds of an epoch asked for on one H200; nothing is claimed for other devices."""


def measure(task: Task, device: torch.device, steps: int) -> dict[str, Any] | None:
    """The recipe's epoch and the ranking of everybody; None where the data is absent."""
    data = task.make()
    if data is None:
        return None
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    built = assemble(load_recipe(task.recipe, {"source": {"batch_size": task.batch}}), data, seed=1, device=device)
    training = _steps(built, bf16=task.bf16)
    _timed(lambda: next(training), device)  # what only the first step does is not a step's cost
    count = min(steps, built.feed.steps - 1)
    seconds = _timed(lambda: [next(training) for _ in range(count)], device) / count
    row: dict[str, Any] = {
        "data": task.name,
        "recipe": task.recipe,
        "precision": "bf16" if task.bf16 else "fp32",
        "users": data.shape.users,
        "items": data.shape.items,
        "edges": len(data),
        "batch": task.batch,
        "steps": built.feed.steps,
        "step_ms": seconds * 1e3,
        "epoch_s": seconds * built.feed.steps,
        "evaluation_ms": _evaluation(built, data, device) * 1e3,
        "asked_epoch_s": ASKED.get(task.name),
    }
    if device.type == "cuda":
        row["peak_gib"] = torch.cuda.max_memory_allocated(device) / 2**30
    return row


def _steps(built: Assembly, *, bf16: bool) -> Iterator[None]:
    """Steps of the project's own path, epoch after epoch."""
    method: Method[Any] = Bfloat16(built.method) if bf16 else built.method
    optimizer = torch.optim.Adam(built.method.module.parameters(), lr=1e-3, fused=True)
    rng = generator(1, "training")
    while True:
        for batch in built.feed.training(rng):
            loss = torch.stack(list(method.losses(batch, rng).values())).sum()
            optimizer.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            yield


def _evaluation(built: Assembly, data: Interactions, device: torch.device) -> float:
    """Seconds of encoding everybody and ranking the catalogue for all, top 20, seen items left out; the best of three."""
    known, everyone = data.to(device), torch.arange(data.shape.users, device=device)
    seen, held_out = known.by_user(), Ragged(everyone % data.shape.items, torch.arange(data.shape.users + 1, device=device))

    def once() -> None:
        rank(encode_all(built.method, built.feed, everyone), held_out, seen, 20)

    return min(_timed(once, device) for _ in range(3))


def _timed(work: Callable[[], object], device: torch.device) -> float:
    began = time.perf_counter()
    work()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - began


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", choices=("auto", "cuda", "cpu"), default="auto")
    parser.add_argument("--tiny", action="store_true")
    parser.add_argument("--billion", action="store_true")
    parser.add_argument("--steps", type=int, default=400, help="at most so many of an epoch")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "gpu.json")
    asked = parser.parse_args()
    kind = ("cuda" if torch.cuda.is_available() else "cpu") if asked.device == "auto" else asked.device
    device = torch.device(kind)
    name = torch.cuda.get_device_name(device) if kind == "cuda" else f"CPU, {platform.machine()}"
    print(f"64 dimensions, on {name}, torch {torch.__version__}")
    rows = []
    for task in TINY if asked.tiny else (*TASKS, *([BILLION] if asked.billion else [])):
        row = measure(task, device, asked.steps)
        if row is None:
            print(f"{task.name}: left out, its data is absent (set RECSYS_CL_REAL_DATA)")
            continue
        rows.append(row)
        figures = f"step {row['step_ms']:.2f} ms  epoch {row['epoch_s']:.2f} s  evaluation {row['evaluation_ms']:.0f} ms"
        print(f"{task.name:28} {row['edges']:>13,} events  {figures}", flush=True)
    record = {"device": name, "torch": torch.__version__, "date": datetime.now(UTC).date().isoformat(), "rows": rows}
    asked.out.parent.mkdir(parents=True, exist_ok=True)
    asked.out.write_text(json.dumps(record, indent=2) + "\n", "utf-8")


if __name__ == "__main__":
    main()
