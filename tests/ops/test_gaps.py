"""Buckets of time against the number of bits of whole seconds."""

from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st

from recsys_cl.ops.gaps import BUCKETS, buckets

TIMES = st.integers(0, 4 * 10**15)  # until the year 2096


@given(st.lists(st.tuples(TIMES, TIMES), min_size=1, max_size=20))
def test_a_bucket_is_the_number_of_bits_of_the_seconds_between(pairs: list[tuple[int, int]]) -> None:
    one, other = torch.tensor(pairs).T
    bits = [min(BUCKETS - 1, (abs(a - b) // 1_000_000).bit_length()) for a, b in pairs]
    assert buckets(one, other).tolist() == bits
    assert torch.equal(buckets(one, other), buckets(other, one))


def test_by_hand() -> None:
    second, day = 1_000_000, 86_400_000_000
    gaps = torch.tensor([0, second - 1, second, 2 * second, 3 * second, 4 * second, day, 2**62])
    assert buckets(gaps, torch.zeros_like(gaps)).tolist() == [0, 0, 1, 2, 2, 3, 17, BUCKETS - 1]
