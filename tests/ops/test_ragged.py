"""Ragged index arithmetic against loops over rows."""

from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys_cl.ops.ragged import marks, offsets_of, owners, padded, portion, spans, uniform, windows

ROWS = st.lists(st.tuples(st.integers(0, 50), st.integers(0, 9)), min_size=1, max_size=12)


@given(ROWS)
def test_spans_are_the_ranges_one_after_the_other(rows: list[tuple[int, int]]) -> None:
    starts, lengths = (torch.tensor(column) for column in zip(*rows, strict=True))
    expected = [position for start, length in rows for position in range(start, start + length)]
    assert spans(starts, lengths).tolist() == expected
    assert spans(starts, lengths, len(expected)).tolist() == expected


@given(ROWS)
def test_every_value_has_its_owner(rows: list[tuple[int, int]]) -> None:
    lengths = torch.tensor([length for _, length in rows])
    assert owners(lengths).tolist() == [row for row, (_, length) in enumerate(rows) for _ in range(length)]
    assert offsets_of(lengths).tolist() == [int(lengths[:row].sum()) for row in range(len(rows) + 1)]


def test_a_portion_is_rounded_down_as_on_paper() -> None:
    lengths = torch.arange(1, 201)
    for percent in range(101):
        assert portion(lengths, percent / 100).tolist() == [percent * n // 100 for n in range(1, 201)]


def test_windows_fit_and_every_start_is_equally_likely() -> None:
    draws = 60_000
    starts = windows(torch.full((draws,), 7), torch.full((draws,), 3), torch.Generator().manual_seed(1))
    counts = torch.bincount(starts, minlength=5).double()
    assert counts.numel() == 5
    # chi-square with 4 degrees of freedom: p > 1e-6 below 33.4
    assert float(((counts - draws / 5) ** 2 / (draws / 5)).sum()) < 33.4


def test_a_draw_is_in_the_unit_interval_and_repeats_with_its_seed() -> None:
    first, again, other = (uniform(1000, torch.Generator().manual_seed(seed), torch.device("cpu")) for seed in (3, 3, 4))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert first.dtype == torch.float64  # floats would tie once rows number thousands
    assert 0 <= float(first.min()) <= float(first.max()) < 1


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(1, 9), min_size=1, max_size=8), st.integers(0, 99), st.integers(0, 9))
def test_marks_are_as_many_as_asked_for_in_each_row(lengths: list[int], chance: int, most: int) -> None:
    sizes = torch.tensor(lengths)
    counts = sizes.clamp(max=most)
    marked = marks(owners(sizes), offsets_of(sizes), counts, torch.Generator().manual_seed(chance))
    assert [int(row.sum()) for row in marked.split(lengths)] == counts.tolist()


def test_every_choice_of_marks_is_equally_likely() -> None:
    sizes = torch.full((20_000,), 4)
    marked = marks(owners(sizes), offsets_of(sizes), sizes - 2, torch.Generator().manual_seed(4)).view(-1, 4)
    met = (marked.long() * torch.tensor([8, 4, 2, 1])).sum(1).bincount(minlength=16)
    expected = 20_000 / 6
    chosen = met[met > 0]
    assert len(chosen) == 6
    assert float(((chosen - expected) ** 2).sum() / expected) < 36.5  # p > 1e-6 for 5 degrees of freedom


def test_padded_puts_each_value_into_its_slot_and_zero_elsewhere() -> None:
    grid = padded(torch.tensor([[1.0], [2.0], [3.0]]), torch.tensor([0, 1, 3]), 2, 3)
    assert grid.squeeze(2).tolist() == [[1, 2, 0], [3, 0, 0]]
