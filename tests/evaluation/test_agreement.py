"""Ranks and Kendall's tau, against counting pairs by hand."""

from __future__ import annotations

import math
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys_cl.evaluation.agreement import kendall, ranks


def test_the_largest_is_first_and_equals_share_the_better_place() -> None:
    assert ranks([0.3, 0.1, 0.3, 0.2]) == [1, 4, 1, 3]
    assert ranks([]) == []


def test_taus_by_hand() -> None:
    rows = [[0.1, 0.2, 0.3, 0.4], [0.2, 0.1, 0.3, 0.4], [4.0, 3.0, 2.0, 1.0], [0.1, 0.1, 0.3, 0.4], [0.5] * 4]
    taus = kendall(rows)
    # one pair of six swapped: (5 - 1) / 6; a tie in one row: 5 / sqrt(6 * 5)
    assert taus[0][:3] == [pytest.approx(1.0), pytest.approx(4 / 6), pytest.approx(-1.0)]
    assert taus[0][3] == pytest.approx(5 / math.sqrt(30))
    assert taus[1][3] == pytest.approx(5 / math.sqrt(30))
    assert taus[4] == [None] * 5, "no order, nothing to agree about"
    assert [row[4] for row in taus] == [None] * 5
    assert kendall([[1.0], [2.0]]) == [[None, None], [None, None]]


@given(rows=st.lists(st.lists(st.integers(0, 4), min_size=5, max_size=5), min_size=2, max_size=3))
def test_tau_is_what_counting_pairs_says(rows: list[list[int]]) -> None:
    taus = kendall(rows)
    for (a, one), (b, other) in combinations(enumerate(rows), 2):
        signs = [((x > y) - (x < y), (u > v) - (u < v)) for (x, u), (y, v) in combinations(zip(one, other, strict=True), 2)]
        untied = math.prod(sum(sign != 0 for sign in side) for side in zip(*signs, strict=True))
        expected = sum(p * q for p, q in signs) / math.sqrt(untied) if untied else None
        assert taus[a][b] == taus[b][a] == (None if expected is None else pytest.approx(expected, abs=1e-12))
