"""Every metric equals an oracle of loops and sets on 360 small lists full of ties, cold items and deep k: no difference."""

from __future__ import annotations

import math
from itertools import combinations

import pytest
import torch

from recsys_cl.core.build import names
from recsys_cl.core.values import Encoding, Interactions, Ragged, Shape
from recsys_cl.evaluation.held_out import hold_out
from recsys_cl.evaluation.measure import measure
from recsys_cl.evaluation.settings import Evaluation, build_metrics

WORLDS, USERS, ITEMS, KS = 60, 6, 9, (1, 3, 20)


class World:
    """Six users, nine items, whole-number vectors; item 9 is outside the vocabulary and may be held out more than once."""

    def __init__(self, seed):
        rng = torch.Generator().manual_seed(seed)
        self.users, self.items = (torch.randint(-1, 2, (count, 2), generator=rng).float() for count in (USERS, ITEMS))
        draw = lambda low, high: int(torch.randint(low, high, (), generator=rng))  # noqa: E731
        some = lambda low, high, top: [draw(0, top) for _ in range(draw(low, high))]  # noqa: E731
        self.history = [some(1, 7, ITEMS) for _ in range(USERS)]  # repeats and all
        self.truth = [some(1, 5, ITEMS + 1) for _ in range(USERS)]  # also what was met before
        self.categories = [sorted(set(some(0, 4, 3))) for _ in range(ITEMS)]
        self.met = [sum(row.count(item) for row in self.history) for item in range(ITEMS)]

    def measured(self):
        shape = Shape(USERS, ITEMS)
        known, truth = (
            Interactions(shape, *torch.tensor([(user, item) for user, row in enumerate(rows) for item in row]).T, None)
            for rows in (self.history, self.truth)
        )
        categories = Ragged(
            torch.tensor([kind for row in self.categories for kind in row], dtype=torch.int64),
            torch.tensor([0, *map(len, self.categories)]).cumsum(0),
        )
        held_out = hold_out(truth, known, exclude_seen=True)
        every = [name for name in names("evaluation.metrics") if name not in ("sampled", "cold")]
        metrics = build_metrics(Evaluation(metrics=(*every, "recall_s20", "ndcg_s20"), ks=KS))
        return measure(Encoding(self.users, self.items), held_out, metrics, 2**30, "m", categories).values

    def scores(self, user):
        return [sum(a * b for a, b in zip(self.users[user].tolist(), item, strict=True)) for item in self.items.tolist()]

    def lists(self, k):
        """Every user's first k, by (score, falling; id, rising)."""
        unmet = [set(range(ITEMS)) - set(row) for row in self.history]
        keys = [[(-score, item) for item, score in enumerate(self.scores(user))] for user in range(USERS)]
        return [sorted(some, key=key.__getitem__)[:k] for some, key in zip(unmet, keys, strict=True)]


def right(world, user):
    """Distinct known items, and what is outside the vocabulary as often as it was met."""
    return sorted(item for item in set(world.truth[user]) if item < ITEMS) + [i for i in world.truth[user] if i == ITEMS]


def accuracy(world, user, k):
    top, truth = world.lists(k)[user], right(world, user)
    gains = [float(item in truth) for item in top]
    best, n = min(k, len(truth)), len(truth)
    precisions = sum(g * sum(gains[:rank]) / rank for rank, g in enumerate(gains, 1))
    discount = lambda rank: 1 / math.log2(rank + 1)  # noqa: E731
    return {
        "recall": sum(gains) / n,
        "capped_recall": sum(gains) / best,
        "precision": sum(gains) / k,
        "r_precision": sum(gains[:best]) / best,
        "hit_rate": max(gains, default=0.0),
        "mrr": max((g / rank for rank, g in enumerate(gains, 1)), default=0.0),
        "map": precisions / best,
        "uncapped_map": precisions / n,
        "ndcg": sum(g * discount(r) for r, g in enumerate(gains, 1)) / sum(discount(r) for r in range(1, best + 1)),
    }


def beyond(world, user, k):
    top, history, truth = world.lists(k)[user], world.history[user], right(world, user)
    mean = lambda values: sum(values) / len(values) if values else 0.0  # noqa: E731
    past = mean([world.met[item] for item in history])
    unmet = sorted(set(range(ITEMS)) - set(history), key=lambda item: (-world.met[item], item))[:k]
    pairs, units = list(combinations(top, 2)), torch.nn.functional.normalize(world.items.double(), dim=1)
    told = [(set(world.categories[a]), set(world.categories[b])) for a, b in pairs]
    return {
        "novelty": mean([math.log2(max(sum(world.met) / max(world.met[item], 1), 1)) for item in top]),
        "popularity_lift": mean([world.met[item] for item in top]) / past - 1 if top else 0.0,
        "serendipity": sum(item in truth and item not in unmet for item in top) / k,
        "intra_list_diversity": mean([1 - len(a & b) / len(a | b) for a, b in told if a and b]),
        "vector_diversity": mean([1 - float(units[a] @ units[b]) for a, b in pairs]),
        "calibration": divergence(shares(world, history), shares(world, top)),
    }


def shares(world, items):
    found = [sum(1 / len(world.categories[i]) for i in items if kind in world.categories[i]) for kind in range(3)]
    return [share / sum(found) for share in found] if sum(found) else found


def divergence(p, q):
    return sum(a * math.log(a / (0.99 * b + 0.01 * a)) for a, b in zip(p, q, strict=True) if a)


def catalogue(world, user, k):
    lists = world.lists(k)
    counts = [sum(item in row for row in lists) for item in range(ITEMS)]
    order = sorted(counts)
    rank = lambda item: mean_rank(order, counts[item])  # noqa: E731
    total = sum(counts)
    return {
        "coverage": sum(USERS / ITEMS / counts[item] for item in lists[user]),
        "gini": USERS * sum(2 * rank(item) - ITEMS - 1 for item in lists[user]) / (ITEMS * total) if total else 0.0,
    }


def mean_rank(order, count):
    places = [place for place, other in enumerate(order, 1) if other == count]
    return sum(places) / len(places)


def standings(world, user, k):
    scores, truth, history = world.scores(user), right(world, user), world.history[user]
    rest = [scores[item] for item in range(ITEMS) if item not in truth and item not in history]
    lost = [item == ITEMS or item in history for item in truth]
    wins = [
        0.0 if gone else sum((scores[i] > s) + (scores[i] == s) / 2 for s in rest) for i, gone in zip(truth, lost, strict=True)
    ]
    ranks = [
        math.inf if gone else 1 + sum(s >= scores[i] for s in rest) for i, gone in zip(truth, lost, strict=True)
    ]  # all of <= 9 are drawn
    return {
        "auc": sum(wins) / (len(truth) * len(rest)) if rest else 0.5,
        "recall_s20": sum(rank <= k for rank in ranks) / len(truth),
        "ndcg_s20": sum(1 / math.log2(rank + 1) for rank in ranks if rank <= k) / len(truth),
    }


@pytest.mark.parametrize("block", range(6))
def test_no_metric_differs_from_its_oracle(block):
    differences = []
    for seed in range(block * WORLDS // 6, (block + 1) * WORLDS // 6):
        world = World(seed)
        measured = world.measured()
        told = set()
        for k in KS:
            for user in range(USERS):
                for oracle in (accuracy, beyond, catalogue, standings):
                    for name, expected in oracle(world, user, k).items():
                        full = name if name == "auc" else f"{name}@{k}"
                        told.add(full)
                        if float(measured[full][user]) != pytest.approx(expected, abs=1e-9):
                            differences.append((seed, user, full, float(measured[full][user]), expected))
        assert told == set(measured), "every metric has an oracle"
    assert differences == []
