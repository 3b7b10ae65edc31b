"""Item correlation against sums over users, and what it must not count."""

from __future__ import annotations

import math

import pytest
import torch

from recsys_cl.core.values import Interactions, Shape
from recsys_cl.ops import correlation
from recsys_cl.ops.correlation import correlated


def log(pairs: list[tuple[int, int]], shape: Shape) -> Interactions:
    users, items = torch.tensor(pairs, dtype=torch.int64).view(-1, 2).T
    return Interactions(shape, users, items, torch.zeros_like(users))


def slowly(pairs: list[tuple[int, int]], shape: Shape, count: int) -> list[list[int]]:
    met = {user: {item for u, item in pairs if u == user} for user in range(shape.users)}
    people = {item: {u for u, i in pairs if i == item} for item in range(shape.items)}
    found = []
    for one in range(shape.items):
        scores = {}
        for other in range(shape.items):
            both = people[one] & people[other]
            if other != one and both:
                shared = sum(1 / math.log(1 + len(met[user])) for user in both)
                scores[other] = shared / math.sqrt(len(people[one]) * len(people[other]))
        best = sorted(scores, key=lambda item: (-round(scores[item], 12), item))[:count]
        found.append(best + [shape.items] * (count - len(best)))
    return found


@pytest.mark.parametrize("block", [3, 4096])
@pytest.mark.parametrize("count", [1, 4, 50])
def test_the_most_correlated_are_those_of_the_sums(count: int, block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(correlation, "_BLOCK", block)
    rng, shape = torch.Generator().manual_seed(3), Shape(25, 14)
    pairs = torch.stack((torch.randint(25, (90,), generator=rng), torch.randint(12, (90,), generator=rng)), 1).tolist()
    scores = correlated(log(pairs, shape), count)
    assert scores.tolist() == slowly(pairs, shape, count)


def test_meeting_an_item_often_is_meeting_it_once() -> None:
    shape = Shape(3, 4)
    pairs = [(0, 0), (0, 1), (1, 0), (1, 2), (2, 0), (2, 2)]
    assert torch.equal(correlated(log(pairs, shape), 2), correlated(log(pairs + [(0, 1)] * 9, shape), 2))


def test_nobody_in_common_is_no_neighbour() -> None:
    shape = Shape(2, 3)
    assert correlated(log([(0, 0), (1, 1)], shape), 1).tolist() == [[3], [3], [3]]
    assert correlated(log([], shape), 2).tolist() == [[3, 3]] * 3
