"""The nouns keep their promises."""

from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st

from recsys_cl.core.values import Interactions, Ragged, Shape


@given(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 99)), max_size=60))
def test_grouping_keeps_every_value_in_its_row_in_the_given_order(pairs: list[tuple[int, int]]) -> None:
    rows = torch.tensor([r for r, _ in pairs], dtype=torch.int64)
    values = torch.tensor([v for _, v in pairs], dtype=torch.int64)
    grouped = Ragged.group(rows, values, 7)
    assert len(grouped) == 7
    for row in range(7):
        assert grouped.row(row).tolist() == [v for r, v in pairs if r == row]
    assert grouped.lengths.sum() == len(pairs)


def test_then_merges_by_time_keeps_ties_in_order_and_drops_what_is_outside_the_vocabulary() -> None:
    shape = Shape(3, 10)
    early = Interactions(shape, torch.tensor([0, 1]), torch.tensor([4, 5]), torch.tensor([10, 20]))
    late = Interactions(shape, torch.tensor([2, 0, 1]), torch.tensor([6, 10, 7]), torch.tensor([5, 6, 20]))
    merged = early.then(late)
    assert merged.times.tolist() == [5, 10, 20, 20]
    assert merged.users.tolist() == [2, 0, 1, 1]
    assert merged.items.tolist() == [6, 4, 5, 7]
    assert len(early) == 2, "the input is not edited"
