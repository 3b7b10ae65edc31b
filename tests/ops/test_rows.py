"""The distinct rows of a batch against a Python dictionary, over both ways of finding them."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from recsys_cl.ops.rows import distinct, unique

IDS = st.integers(0, 12) | st.integers(0, 10_000)


def slowly(positives: list[int], negatives: list[int]) -> list[int]:
    return sorted(set(positives)) + sorted(set(negatives) - set(positives))


@given(st.lists(IDS, min_size=1, max_size=40), st.lists(IDS, min_size=1, max_size=40))
def test_each_id_once_and_positives_first(positives: list[int], negatives: list[int]) -> None:
    found = distinct(torch.tensor(positives), torch.tensor(negatives))
    assert found.ids.tolist() == slowly(positives, negatives)
    assert found.positives == len(set(positives))
    assert found.ids[found.positive].tolist() == positives
    assert found.negative is not None
    assert found.ids[found.negative].tolist() == negatives


def test_negatives_keep_their_shape() -> None:
    negatives = torch.tensor([[5, 1], [9, 5], [2, 0]])
    found = distinct(torch.tensor([1, 2, 1]), negatives)
    assert found.negative is not None
    assert torch.equal(found.ids[found.negative], negatives)
    assert found.ids.tolist() == [1, 2, 0, 5, 9]


def test_without_negatives_the_ids_are_the_positives() -> None:
    found = distinct(torch.tensor([7, 3, 7]))
    assert (found.ids.tolist(), found.positives, found.positive.tolist(), found.negative) == ([3, 7], 2, [1, 0, 1], None)


@pytest.mark.parametrize("bound", [3, 50, 400, 10_000])
def test_a_table_of_ids_finds_what_sorting_finds(bound: int) -> None:
    ids = torch.randint(bound, (100,), generator=torch.Generator().manual_seed(bound))
    values, inverse = unique(ids)
    expected, where = torch.unique(ids, return_inverse=True)
    assert torch.equal(values, expected)
    assert torch.equal(inverse, where)
