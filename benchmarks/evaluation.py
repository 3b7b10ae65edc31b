"""Full-ranking evaluation against the obvious way to write it: seconds, memory, and the same numbers.

``python benchmarks/evaluation.py`` ranks random vectors of Gowalla's size (29,858 users, 40,981 items, 64 dimensions) for all
users, in alternation with a reference that masks, sorts and scores one user at a time. ``--large`` instead ranks a sample of
one million users against one million items under 2 GiB and extrapolates the time, and says what doubling users or items does
to the peak under a budget that binds; its results go to a file of their own.
"""

from __future__ import annotations

import argparse
import json
import math
import platform
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import torch

from recsys_cl.core.values import Encoding, Ragged
from recsys_cl.evaluation.rank import rank
from recsys_cl.evaluation.settings import Evaluation, build_metrics

K = 20
COMPARED = ("recall", "ndcg", "precision", "hit_rate", "mrr", "map")


@dataclass(frozen=True)
class Task:
    """Vectors, what was held out and what was seen."""

    encoding: Encoding
    truth: Ragged
    seen: Ragged


@dataclass
class Laps:
    """Repeated measurements of one way."""

    wall: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    result: dict[str, float] = field(default_factory=dict)

    def run(self, way: Callable[[Task], dict[str, float]], task: Task) -> None:
        """Measure once more."""
        wall, cpu = time.perf_counter(), time.process_time()
        self.result = way(task)
        self.wall.append(time.perf_counter() - wall)
        self.cpu.append(time.process_time() - cpu)


def random_task(users: int, items: int, dim: int, seen: int, held_out: int, seed: int = 1) -> Task:
    """Normal vectors; each user has seen and holds out about the same number of random items, none of them both."""
    rng = torch.Generator().manual_seed(seed)
    pairs = torch.randint(0, users * items, (seen + held_out,), generator=rng)
    pairs = torch.unique(pairs)[torch.randperm(len(torch.unique(pairs)), generator=rng)]
    rows, columns = pairs // items, pairs % items
    encoding = Encoding(torch.randn(users, dim, generator=rng), torch.randn(items, dim, generator=rng))
    return Task(
        encoding,
        Ragged.group(rows[:held_out], columns[:held_out], users),
        Ragged.group(rows[held_out:], columns[held_out:], users),
    )


def ours(task: Task, budget: int = 2**30) -> dict[str, float]:
    """The project's own path: ranking, hits, all metrics."""
    ranking, _ = rank(task.encoding, task.truth, task.seen, K, budget)
    has_truth = ranking.held_out > 0
    return {m.name: m(ranking)[has_truth].mean().item() for m in build_metrics(Evaluation(ks=(K,)))}


def one_user_at_a_time(task: Task) -> dict[str, float]:
    """The reference: one dense row of scores per user, ``torch.topk``, Python sets and sums."""
    totals: dict[str, list[float]] = {f"{name}@{K}": [] for name in COMPARED}
    discounts = [1 / math.log2(place + 2) for place in range(K)]
    for user in range(len(task.truth)):
        truth = set(task.truth.row(user).tolist())
        if not truth:
            continue
        scores = task.encoding.items @ task.encoding.users[user]
        scores[task.seen.row(user)] = -torch.inf
        gains = [float(item in truth) for item in scores.topk(K).indices.tolist()]
        hits, best = sum(gains), min(K, len(truth))
        places = [place for place, gain in enumerate(gains, 1) if gain]
        dcg = sum(gain * discount for gain, discount in zip(gains, discounts, strict=True))
        totals[f"recall@{K}"].append(hits / len(truth))
        totals[f"ndcg@{K}"].append(dcg / sum(discounts[:best]))
        totals[f"precision@{K}"].append(hits / K)
        totals[f"hit_rate@{K}"].append(float(hits > 0))
        totals[f"mrr@{K}"].append(1 / places[0] if places else 0.0)
        totals[f"map@{K}"].append(sum(found / place for found, place in enumerate(places, 1)) / best)
    return {name: sum(values) / len(values) for name, values in totals.items()}


@contextmanager
def peak_memory() -> Iterator[list[int]]:
    """Most resident bytes above those at the start, sampled every few milliseconds; the list is filled at the end."""
    import psutil

    process, over, peak = psutil.Process(), threading.Event(), [0]
    start = process.memory_info().rss

    def watch() -> None:
        while not over.wait(0.004):
            peak[0] = max(peak[0], process.memory_info().rss - start)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield peak
    finally:
        over.set()
        thread.join()


def compare(repeats: int) -> dict[str, object]:
    """Both ways in alternation on the size of Gowalla."""
    task = random_task(29_858, 40_981, 64, seen=810_128, held_out=217_242)
    with peak_memory() as peak:
        ours(task)
    mine, reference = Laps(), Laps()
    for _ in range(repeats):
        mine.run(ours, task)
        reference.run(one_user_at_a_time, task)
    worst = max(abs(mine.result[name] - value) for name, value in reference.result.items())
    return {
        "what": f"29,858 users x 40,981 items x 64, top {K}, {len(COMPARED)} metrics",
        "wall_seconds": {"ours": min(mine.wall), "reference": min(reference.wall)},
        "cpu_seconds": {"ours": min(mine.cpu), "reference": min(reference.cpu)},
        "ratio_cpu": min(reference.cpu) / min(mine.cpu),
        "ratio_wall": min(reference.wall) / min(mine.wall),
        "peak_mib_above_model": peak[0] / 2**20,
        "largest_difference": worst,
    }


def large(sample: int) -> dict[str, object]:
    """A sample of a million users against a million items."""
    task = random_task(sample, 1_000_000, 64, seen=30 * sample, held_out=5 * sample)
    lap, vectors = Laps(), 2 * 1_000_000 * 64 * 4 / 2**20  # MiB, of all users and items
    with peak_memory() as peak:
        lap.run(lambda given: ours(given, 2**31), task)
    return {
        "what": f"{sample:,} of 1,000,000 users x 1,000,000 items x 64, top {K}, budget 2 GiB",
        "wall_seconds": {"ours": lap.wall[0]},
        "cpu_seconds": {"ours": lap.cpu[0]},
        "wall_hours_extrapolated": lap.wall[0] * 1_000_000 / sample / 3600,
        "peak_mib_above_model": peak[0] / 2**20,
        "peak_mib_with_all_vectors": peak[0] / 2**20 + vectors,
        "doubling": {f"{users:,} x {items:,}": peak_of(users, items) for users, items in DOUBLED},
        "doubling_budget_mib": BINDING / 2**20,
    }


BINDING = 2**28
"""A budget smaller than what ranking would otherwise take, so that it decides."""

DOUBLED = ((2_000, 500_000), (4_000, 500_000), (2_000, 1_000_000))


def peak_of(users: int, items: int) -> float:
    """MiB above the model to rank so many users against so many items under the binding budget; a warm-up goes before."""
    task = random_task(users, items, 64, seen=30 * users, held_out=5 * users)
    ours(task, BINDING)
    with peak_memory() as peak:
        ours(task, BINDING)
    return peak[0] / 2**20


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--large", action="store_true")
    parser.add_argument("--sample", type=int, default=10_000, help="users, with --large")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/evaluation.json"))
    asked = parser.parse_args()
    torch.set_num_threads(asked.threads)

    measured = large(asked.sample) if asked.large else compare(asked.repeats)
    measured |= {"threads": asked.threads, "torch": torch.__version__, "processor": platform.processor() or platform.machine()}
    for name, value in measured.items():
        print(f"{name:26} {value:.4g}" if isinstance(value, float) else f"{name:26} {value}")
    out = asked.out.with_stem(f"{asked.out.stem}_large") if asked.large else asked.out
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(measured, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
