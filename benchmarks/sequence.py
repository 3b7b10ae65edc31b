"""``make bench-sequence``: what the sequence family promises in speed and memory, measured, written to results/sequence.json.

``python -m benchmarks.sequence [NAME ...] [--laps N] [--steps N]`` measures the named parts, or all: ``steps`` (three recipes
against the plain padded reference, alternating), ``evaluation`` (encoding and full ranking of everybody), ``lengths`` (cost
of a step against the mean length) and ``memory`` (peak of a process that trains with a million items). Beauty is read under
RECSYS_CL_REAL_DATA; without it, made-up histories of its size take its place, and the record says so.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import torch

from benchmarks.graph import slope
from benchmarks.graph_step import Laps, ours
from benchmarks.histories import beauty, made_up
from benchmarks.measure import ROOT, earlier, keep, peak_mib
from benchmarks.sequence_reference import Loss, Reference
from recsys_cl.config import Recipe, load_recipe
from recsys_cl.core.values import Ragged
from recsys_cl.evaluation.encode import encode_all
from recsys_cl.evaluation.rank import rank
from recsys_cl.stages.assemble import assemble
from recsys_cl.training import heap

FULL = {"sampler": None, "objectives": {"bce": {"use": "softmax"}}}  # over all items, in place of one negative
THREE = [{"use": "crop", "ratio": 0.6}, {"use": "mask", "ratio": 0.3}, {"use": "reorder", "ratio": 0.6}]
CONTRAST = {
    "views": [{"use": "one_of", "of": THREE}] * 2,
    "objectives": {"contrast": {"use": "info_nce", "weight": 0.1, "sides": "users"}},
}
CHANGES: dict[Loss, dict[str, Any]] = {"bce": {}, "softmax": FULL, "cl4srec": CONTRAST}
ASKED = {
    "bce": {"ratio": 5, "ms": 14},
    "softmax": {"ratio": 6, "ms": 37, "pass_s": 3.3},
    "cl4srec": {"ratio": 6, "ms": 42},
    "evaluation": {"ratio": 6, "seconds": 1.0},
    "lengths": {"slope": 1.2},
    "memory": {"times_table_and_optimizer": 2},
}
"""The least ratio to the reference, and the most of everything else, on a quiet machine of two cores."""


def recipe(loss: Loss, **source: int) -> Recipe:
    """SASRec of two layers, width 64, length 50, 256 users a step, with the loss of ``CHANGES``."""
    return load_recipe("sasrec-bce", CHANGES[loss], {"source": source})


def steps(laps: int, count: int) -> dict[str, Any]:
    """A training step of each recipe beside the reference's, alternating: milliseconds, with all threads."""
    name, data, _ = beauty()
    figures: dict[str, Any] = {"data": name, "threads": torch.get_num_threads()}
    for loss in CHANGES:
        mine, plain, fast, slow = ours(recipe(loss), data), _forever(Reference(loss, data)), Laps(), Laps()
        next(mine), next(plain)
        for _ in range(laps):
            with heap.kept():  # as training does
                fast.run(mine, count)
            slow.run(plain, max(1, count // 8))
        passes = -(-int((data.by_user().lengths > 1).sum()) // 256)
        for clock, one, other in (("wall", fast.wall, slow.wall), ("cpu", fast.cpu, slow.cpu)):
            ms, reference = statistics.median(one), statistics.median(other)
            figures.setdefault(loss, {"asked": ASKED[loss]})[clock] = {
                "ms": ms,
                "least_ms": min(one),
                "reference_ms": reference,
                "ratio": reference / ms,
                "pass_s": ms * passes / 1e3,
            }
    return figures


def _forever(plain: Reference) -> Iterator[None]:
    while True:
        yield from plain.steps()


def evaluation(laps: int, count: int) -> dict[str, Any]:  # noqa: ARG001 - all parts are called alike
    """Seconds of encoding and ranking everybody, top 20, against the reference doing the same."""
    name, data, target = beauty()
    built, plain = assemble(recipe("bce"), data, 1, torch.device("cpu")), Reference("bce", data)
    everyone, met = torch.arange(data.shape.users), data.by_user()
    held_out = Ragged(target, torch.arange(data.shape.users + 1))
    fast, slow = [], []
    for lap in range(laps):
        began = time.perf_counter()
        rank(encode_all(built.method, built.feed, everyone), held_out, met, 20, 2**28)
        fast.append(time.perf_counter() - began)
        if lap < 2:
            began = time.perf_counter()
            plain.ranked(target)
            slow.append(time.perf_counter() - began)
    seconds, reference = statistics.median(fast), statistics.median(slow)
    ratio = reference / seconds
    return {"data": name, "asked": ASKED["evaluation"], "seconds": seconds, "reference_seconds": reference, "ratio": ratio}


def lengths(laps: int, count: int) -> dict[str, Any]:
    """A step of SASRec with BCE, 64 users, on made-up histories of growing mean length; the slope of the logarithms."""
    means, costs = [10, 25, 50, 100, 200, 400], []
    for mean in means:
        data = made_up(640, 12_101, mean)
        changed = load_recipe("sasrec-bce", {"source": {"batch_size": 64, "max_length": 800}, "encoder": {"max_length": 800}})
        timed, running = Laps(), ours(changed, data)
        next(running)
        with heap.kept():
            for _ in range(laps):
                timed.run(running, max(2, count // 8))
        costs.append(statistics.median(timed.cpu))
    return {"clock": "cpu", "mean_length": means, "ms": costs, "slope": slope(means, costs), "asked": ASKED["lengths"]}


def memory(laps: int, count: int) -> dict[str, Any]:  # noqa: ARG001
    """Peak resident memory of processes that train with a million items: the full chunked softmax, and 512 negatives."""
    figures: dict[str, Any] = {"asked": ASKED["memory"], "items": 1_000_000, "dim": 64}
    figures["table_and_optimizer_mib"] = needed = 3 * 1_000_000 * 64 * 4 / 2**20
    for loss in ("softmax", "sampled"):
        for items in (1_000, 1_000_000):
            asked = [sys.executable, "-m", "benchmarks.sequence", "train", loss, str(items)]
            environment = {**os.environ, "PYTHONPATH": str(ROOT)}
            done = subprocess.run(asked, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
            figures[f"{loss}_{items}_items_mib"] = float(done.stdout.splitlines()[-1])
        more = figures[f"{loss}_1000000_items_mib"] - figures[f"{loss}_1000_items_mib"]
        figures[f"{loss}_times"] = more / needed
    return figures


def train(loss: str, items: int) -> float:
    """What ``memory`` measures: three steps of 32 users, and the peak in MiB."""
    data = made_up(96, items, 10)
    sampled = {"sampler": {"use": "uniform", "negatives": 512, "shared": True}, "objectives": {"bce": {"use": "softmax"}}}
    running = ours(load_recipe("sasrec-bce", FULL if loss == "softmax" else sampled, {"source": {"batch_size": 32}}), data)
    with heap.kept():
        for _ in range(3):
            next(running)
    return peak_mib()


PARTS: dict[str, Callable[[int, int], dict[str, Any]]] = {
    "steps": steps,
    "evaluation": evaluation,
    "lengths": lengths,
    "memory": memory,
}


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", default=[], help=", ".join(PARTS))
    parser.add_argument("--laps", type=int, default=5)
    parser.add_argument("--steps", type=int, default=32, help="of ours in a lap; the reference runs an eighth of them")
    parser.add_argument("--name", default="sequence", help="of the file under results/")
    asked = parser.parse_args()
    if asked.parts[:1] == ["train"]:
        print(train(asked.parts[1], int(asked.parts[2])))
        return
    unknown = set(asked.parts) - set(PARTS)
    if unknown:
        raise SystemExit(f"no part {sorted(unknown)}; valid: {', '.join(PARTS)}")
    figures = earlier(asked.name, PARTS)
    for part in asked.parts or PARTS:
        load = os.getloadavg()[0]  # what else ran: absolute figures mean little above the number of cores
        told = {"date": datetime.now(UTC).date().isoformat(), "load": load, "laps": asked.laps, "steps": asked.steps}
        figures[part] = {**told, **PARTS[part](asked.laps, asked.steps)}
    keep(asked.name, {"command": "make bench-sequence", **figures})


if __name__ == "__main__":
    main()
