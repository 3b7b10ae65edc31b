"""Of each pair one interaction stays: the first or the last, as told by a dictionary."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings

from recsys_cl.ingest.preparing.repeats import _grouped, keep_one
from tests.ingest.coded import ROWS, coded


@pytest.mark.parametrize("repeats", ["first", "last"])
@settings(deadline=None, max_examples=50)
@given(rows=ROWS)
def test_one_of_each_pair_stays(repeats, rows):
    log = coded(rows)
    place = {}
    for row, pair in enumerate(zip(log.users.tolist(), log.items.tolist(), strict=True)):
        if repeats == "last" or pair not in place:
            place[pair] = row
    assert np.flatnonzero(keep_one(log, repeats)).tolist() == sorted(place.values())


@settings(deadline=None, max_examples=50)
@given(rows=ROWS)
def test_keep_keeps_all(rows):
    assert keep_one(coded(rows), "keep").all()


def test_pairs_too_large_to_be_packed_are_sorted_all_the_same():
    chance = np.random.default_rng(4)
    small = chance.integers(0, 50, 300)
    expected = np.argsort(small, kind="stable")
    for pairs in (small, small << 50):
        ordered, order = _grouped(pairs)
        assert order.tolist() == expected.tolist()
        assert ordered.tolist() == pairs[expected].tolist()
