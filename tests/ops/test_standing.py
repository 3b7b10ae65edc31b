"""Standings against counting in Python, with ties everywhere, at every block size; areas are scikit-learn's."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys_cl.core.errors import Refused
from recsys_cl.core.values import Ragged
from recsys_cl.ops.standing import standing


def ragged(rows: list[list[int]]) -> Ragged:
    values = torch.tensor([value for row in rows for value in row], dtype=torch.int64)
    return Ragged(values, torch.tensor([0, *(len(row) for row in rows)]).cumsum(0))


def counted(users, items, truths, seens):
    """Above, tied and negatives by loops."""
    scores = (users @ items.T).tolist()
    above, tied, negatives = [], [], []
    for row, truth, seen in zip(scores, truths, seens, strict=True):
        rest = [score for item, score in enumerate(row) if item not in truth and item not in seen]
        negatives.append(len(rest))
        for item in truth:
            lost = item == len(row) or item in seen
            above.append(len(rest) if lost else sum(score > row[item] for score in rest))
            tied.append(0 if lost else sum(score == row[item] for score in rest))
    return above, tied, negatives


def world(seed, users, items, dim=2):
    rng = torch.Generator().manual_seed(seed)
    vectors = [torch.randint(-2, 3, (count, dim), generator=rng).float() for count in (users, items)]
    truths, seens = [], []
    for _ in range(users):
        order = torch.randperm(items + 1, generator=rng).tolist()
        held = int(torch.randint(0, items // 2 + 1, (), generator=rng))
        overlap = int(torch.randint(0, 2, (), generator=rng))  # sometimes a held-out item has been met before
        truths.append(order[:held])
        seens.append([item for item in order[max(held - overlap, 0) : held + items // 4] if item < items])
    return *vectors, truths, seens


@settings(max_examples=150, deadline=None)
@given(seed=st.integers(0, 10_000), users=st.integers(1, 9), items=st.integers(1, 40))
def test_equals_counting(seed, users, items):
    asking, offered, truths, seens = world(seed, users, items)
    found = standing(asking, offered, ragged(truths), ragged(seens))
    above, tied, negatives = counted(asking, offered, truths, seens)
    assert found.above.tolist() == above
    assert found.tied.tolist() == tied
    assert found.negatives.tolist() == negatives
    assert found.rows.tolist() == [row for row, truth in enumerate(truths) for _ in truth]


def test_the_budget_changes_nothing_and_too_little_is_refused():
    asking, offered, truths, seens = world(3, 70, 30)
    whole = standing(asking, offered, ragged(truths), ragged(seens))
    small = standing(asking, offered, ragged(truths), ragged(seens), budget=20 * 30 * 17)
    assert torch.equal(whole.above, small.above)
    assert torch.equal(whole.tied, small.tied)
    with pytest.raises(Refused, match="standing among 30 items needs at least 1 MiB"):
        standing(asking, offered, ragged(truths), None, budget=20 * 30 * 15)


def test_signed_zeros_are_one_score():
    users, items = torch.tensor([[1.0]]), torch.tensor([[0.0], [-0.0], [1.0]])
    found = standing(users, items, ragged([[0, 1]]))
    assert (found.above.tolist(), found.tied.tolist()) == ([1, 1], [0, 0])
    found = standing(users, items, ragged([[1]]))
    assert (found.above.tolist(), found.tied.tolist()) == ([1], [1])


def test_not_a_number_is_refused():
    with pytest.raises(Refused, match="sgl: 1 of 2 item vectors are not finite"):
        standing(torch.ones(1, 1), torch.tensor([[1.0], [torch.nan]]), ragged([[0]]), model="sgl")
