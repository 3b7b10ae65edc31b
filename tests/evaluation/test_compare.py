"""Paired intervals cover what they promise."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import ttest_rel

from recsys_cl.evaluation.compare import paired_interval


def test_equals_the_library() -> None:
    rng = np.random.default_rng(3)
    ours, theirs = rng.random(200), rng.random(200)
    expected = ttest_rel(ours, theirs).confidence_interval()
    found = paired_interval(ours, theirs)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), rel=1e-12)


def test_covers_the_truth_in_95_of_100_skewed_experiments() -> None:
    rng = np.random.default_rng(5)
    covered = 0
    for _ in range(2000):
        found = paired_interval(rng.exponential(1.0, 600), np.ones(600))
        covered += found.low <= 0 <= found.high
    assert 0.93 <= covered / 2000 <= 0.97


def test_one_user_proves_nothing() -> None:
    found = paired_interval(np.array([1.0]), np.array([0.0]))
    assert (found.mean, found.low, found.high) == (1.0, -np.inf, np.inf)
