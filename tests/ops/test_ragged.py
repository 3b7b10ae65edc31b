"""Ragged index arithmetic against loops over rows."""

from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st

from recsys_cl.ops.ragged import offsets_of, owners, portion, spans, uniform, windows

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
