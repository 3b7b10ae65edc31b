"""Looking back in flat rows against loops over rows and places."""

from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from recsys_cl.ops.lookback import earlier, running_sum, taps

LENGTHS = st.lists(st.integers(1, 9), min_size=1, max_size=6)


def rows(lengths: list[int]) -> tuple[list[Tensor], Tensor]:
    """Values that are all different, and the place of each in its row."""
    whole = torch.arange(1, sum(lengths) * 2 + 1, dtype=torch.float64).view(-1, 2)
    return list(whole.split(lengths)), torch.cat([torch.arange(length) for length in lengths])


@settings(max_examples=50, deadline=None)
@given(LENGTHS, st.integers(0, 12))
def test_earlier_is_the_value_so_many_places_before_in_the_row(lengths: list[int], steps: int) -> None:
    values, place = rows(lengths)
    expected = [row[t - steps] if t >= steps else torch.zeros(2) for row in values for t in range(len(row))]
    assert torch.equal(earlier(torch.cat(values), place, steps), torch.stack(expected).double())


def test_taps_stand_side_by_side_in_the_order_asked_for() -> None:
    values, place = rows([3, 1])
    assert taps(torch.cat(values), place, [1, 0])[:, ::2].tolist() == [[0, 1], [1, 3], [3, 5], [0, 7]]


@settings(max_examples=50, deadline=None)
@given(LENGTHS, st.sampled_from([1.0, 0.5, 0.9]))
def test_a_running_sum_fades_what_lies_back(lengths: list[int], decay: float) -> None:
    values, place = rows(lengths)
    expected = [
        sum((decay ** (t - past) * row[past] for past in range(t + 1)), torch.zeros(2, dtype=torch.float64))
        for row in values
        for t in range(len(row))
    ]
    found = running_sum(torch.cat(values), place, max(lengths), decay)
    torch.testing.assert_close(found, torch.stack(expected), rtol=1e-12, atol=1e-12)


def test_a_row_is_as_exact_beside_a_huge_one_as_alone() -> None:
    small, huge = torch.tensor([[0.1], [0.2], [0.3]]), torch.full((3, 1), 1e30)
    place = torch.arange(3)
    alone = running_sum(small, place, 3)
    assert torch.equal(running_sum(torch.cat((huge, small)), place.repeat(2), 3)[3:], alone)


def test_gradients_go_to_what_was_looked_at() -> None:
    values, place = rows([4, 1, 3])
    whole = torch.cat(values).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: running_sum(x, place, 4, 0.7), whole)
    assert torch.autograd.gradcheck(lambda x: earlier(x, place, 2), whole)
