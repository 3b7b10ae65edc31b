"""Intervals over seeds and users cover what they promise, where drawing few seeds anew would not."""

from __future__ import annotations

import numpy as np
import pytest

from recsys_cl.core.errors import Refused
from recsys_cl.evaluation.replicates import seeded_interval


def experiments(seeds: int, users: int, spread: float, count: int) -> np.ndarray:
    """Differences [count, S, U] around 0: an effect of each seed, one of each (skewed) user, and the rest."""
    rng = np.random.default_rng(9)
    by_seed = rng.normal(0, spread, (count, seeds, 1))
    by_user = rng.exponential(1.0, (count, 1, users)) - 1
    return by_seed + by_user + rng.normal(0, 1.0, (count, seeds, users))


@pytest.mark.parametrize(("seeds", "spread"), [(4, 0.3), (5, 0.1), (5, 0.0), (8, 1.0)])
def test_covers_the_truth_of_all_seeds_and_users(seeds: int, spread: float) -> None:
    found = [seeded_interval(one) for one in experiments(seeds, 300, spread, 1500)]
    assert 0.93 <= np.mean([interval.low <= 0 <= interval.high for interval in found]) <= 0.97


def test_drawing_five_seeds_anew_covers_too_little() -> None:
    rng = np.random.default_rng(1)
    covered = 0
    for one in experiments(5, 300, 0.3, 400):
        by_seed = one.mean(1)  # with this spread the users hardly matter
        low, high = np.quantile(by_seed[rng.integers(0, 5, (1000, 5))].mean(1), [0.025, 0.975])
        covered += low <= 0 <= high
    assert covered / 400 < 0.9


def test_by_hand() -> None:
    # One effect a seed and none of users: the plain t interval over the four seeds' means, three degrees of freedom.
    found = seeded_interval(np.repeat([[1.0], [3.0], [1.0], [3.0]], 3, axis=1))
    reach = 3.1824463 * (4 / 3 / 4) ** 0.5
    assert (found.mean, found.low, found.high) == pytest.approx((2, 2 - reach, 2 + reach), rel=1e-7)
    same = seeded_interval(np.full((4, 3), 0.5))
    assert (same.mean, same.low, same.high) == (0.5, 0.5, 0.5)


@pytest.mark.parametrize("differences", [np.zeros((3, 9)), np.zeros((9, 1)), np.full((4, 2), np.nan)])
def test_what_cannot_vary_is_refused(differences: np.ndarray) -> None:
    with pytest.raises(Refused):
        seeded_interval(differences)
