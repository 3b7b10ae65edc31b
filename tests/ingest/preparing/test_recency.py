"""Places counted from the end of each history, and shares that do not lose one to floating point."""

from __future__ import annotations

import numpy as np

from recsys_cl.ingest.preparing.recency import from_last, lengths, share

USERS = np.array([1, 0, 1, 1, 0, 3], dtype=np.int32)


def test_places_count_from_the_last_row():
    assert from_last(USERS).tolist() == [2, 1, 1, 0, 0, 0]
    assert lengths(USERS).tolist() == [3, 2, 3, 3, 2, 1]


def test_a_key_decides_before_the_rows_do():
    key = np.array([5, 7, 5, 1, 2, 0], dtype=np.uint64)
    assert from_last(USERS, key).tolist() == [1, 0, 0, 2, 1, 0]


def test_no_rows_no_places():
    assert from_last(USERS[:0]).tolist() == []


def test_a_share_is_exact_where_the_product_is_whole():
    assert share(np.array([100, 99, 7]), 0.29).tolist() == [29, 28, 2]
