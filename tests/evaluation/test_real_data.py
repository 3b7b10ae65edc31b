"""The whole path at real size: popularity on the LightGCN split of Gowalla, against a walk down the list for every user."""

from __future__ import annotations

import math
import os
from collections import Counter, defaultdict
from itertools import islice
from pathlib import Path

import pytest
import torch

from recsys_cl.core.values import Interactions, Shape
from recsys_cl.encoders.popular import Popular
from recsys_cl.evaluation.held_out import hold_out
from recsys_cl.evaluation.rank import rank
from recsys_cl.evaluation.settings import Evaluation, build_metrics

ROOT = Path(__file__).parents[2]
DATA = Path(os.environ.get("RECSYS_CL_REAL_DATA", ROOT / "../shared/data")) / "gowalla"
SHAPE = Shape(29_858, 40_981)


def read(name):
    lines = [[int(number) for number in line.split()] for line in (DATA / name).read_text("utf-8").splitlines()]
    users = torch.tensor([line[0] for line in lines for _ in line[1:]])
    items = torch.tensor([item for line in lines for item in line[1:]])
    return Interactions(SHAPE, users, items, torch.zeros_like(users))


def by_user(interactions):
    sets = defaultdict(set)
    for user, item in zip(interactions.users.tolist(), interactions.items.tolist(), strict=True):
        sets[user].add(item)
    return sets


@pytest.mark.slow
@pytest.mark.skipif(not DATA.is_dir(), reason=f"needs {DATA} (set RECSYS_CL_REAL_DATA)")
def test_popularity_on_gowalla():
    train, test = read("train.txt"), read("test.txt")
    held_out = hold_out(test, train, exclude_seen=True)
    (encoding,) = Popular(train)([None], held_out.users)
    ranking, _ = rank(encoding, held_out.truth, held_out.seen, 20)
    means = {metric.name: metric(ranking).mean().item() for metric in build_metrics(Evaluation(ks=(20,)))}

    recalls, gains, met, right = [], [], by_user(train), by_user(test)
    counts = Counter(train.items.tolist())
    order = sorted(range(SHAPE.items), key=lambda item: (-counts[item], item))
    for user, truth in right.items():
        got = list(islice((item for item in order if item not in met[user]), 20))
        recalls.append(len(truth & set(got)) / len(truth))
        best = sum(1 / math.log2(place + 2) for place in range(min(20, len(truth))))
        gains.append(sum(1 / math.log2(place + 2) for place, item in enumerate(got) if item in truth) / best)
    assert means["recall@20"] == pytest.approx(sum(recalls) / len(recalls), abs=1e-12)
    assert means["ndcg@20"] == pytest.approx(sum(gains) / len(gains), abs=1e-12)
