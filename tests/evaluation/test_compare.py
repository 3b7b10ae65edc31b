"""Paired intervals cover what they promise, and chance is called a difference no more often than agreed."""

from __future__ import annotations

import subprocess
import sys
from itertools import product

import numpy as np
import pytest
import torch
from scipy.stats import bootstrap, permutation_test, ttest_rel

from recsys_cl.core.errors import Refused
from recsys_cl.evaluation import resample
from recsys_cl.evaluation.compare import (
    bootstrap_intervals,
    compare_all,
    effect_size,
    holm,
    paired_interval,
    paired_t_p,
    reliable,
)
from recsys_cl.evaluation.resample import bootstrap_means, draw_counts, draw_signs, sign_flip_p


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def skewed(users: int, experiments: int, seed: int = 5) -> np.ndarray:
    """Columns of differences without an effect, as metrics give them: many zeros, the others skewed."""
    rng = np.random.default_rng(seed)
    differences = rng.exponential(1.0, (users, experiments)) - 1.0
    return np.where(rng.random(differences.shape) < 0.5, 0.0, differences)


def test_equals_the_library() -> None:
    rng = np.random.default_rng(3)
    ours, theirs = rng.random(200), rng.random(200)
    expected = ttest_rel(ours, theirs).confidence_interval()
    found = paired_interval(ours, theirs)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), rel=1e-12)


def test_the_t_test_equals_the_library_and_knows_its_edges() -> None:
    differences = np.random.default_rng(3).normal(0.1, 1.0, (200, 5))
    assert paired_t_p(differences) == pytest.approx(ttest_rel(differences, np.zeros_like(differences)).pvalue, rel=1e-9)
    assert paired_t_p(np.array([[0.0, 0.5], [0.0, 0.5]])).tolist() == [1, 0]
    assert paired_t_p(np.array([[0.5]])).tolist() == [1]


def test_the_t_test_raises_at_most_6_false_alarms_in_100() -> None:
    assert 0.03 <= (paired_t_p(skewed(600, 4000, seed=8)) <= 0.05).mean() <= 0.06


def test_a_large_table_can_still_be_significant() -> None:
    differences = skewed(600, 200)
    differences[:, 7] += 0.5
    found = compare_all(differences, seeded())
    assert [place for place, one in enumerate(found) if one.adjusted <= 0.05] == [7]


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


def test_the_bootstrap_covers_the_truth_in_95_of_100_skewed_experiments() -> None:
    found = bootstrap_intervals(skewed(600, 2000), seeded(), resamples=1000)
    assert 0.93 <= np.mean([interval.low <= 0 <= interval.high for interval in found]) <= 0.97


def test_sign_flips_raise_at_most_6_false_alarms_in_100() -> None:
    assert 0.03 <= (sign_flip_p(skewed(600, 2000, seed=8), 1000, seeded()) <= 0.05).mean() <= 0.06


def test_an_effect_is_found() -> None:
    [found] = compare_all(skewed(600, 1) + 0.2, seeded())
    assert found.interval.low > 0
    assert found.adjusted == found.p < 0.01
    assert found.flipped < 0.01
    assert found.reliable


def test_bootstrap_means_are_means_of_drawn_users() -> None:
    values = np.random.default_rng(1).random((13, 3))
    counts = draw_counts(20, 13, seeded(4)).long()
    expected = np.stack([values[torch.arange(13).repeat_interleave(row).numpy()].mean(0) for row in counts])
    assert bootstrap_means(values, 20, seeded(4)) == pytest.approx(expected, rel=1e-12)


def test_blocks_are_only_a_matter_of_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.random.default_rng(1).random((10, 2))
    whole = bootstrap_means(values, 25, seeded())
    monkeypatch.setattr(resample, "BLOCK", 70)
    parts = bootstrap_means(values, 25, seeded())
    assert parts.shape == (25, 2)
    assert parts == pytest.approx(whole, rel=1e-12)


def test_the_bootstrap_equals_the_library() -> None:
    values = np.random.default_rng(2).exponential(1.0, 80)
    theirs = bootstrap((values,), np.mean, n_resamples=40_000, method="percentile", rng=np.random.default_rng(0))
    [found] = bootstrap_intervals(values[:, None], seeded(), resamples=40_000)
    noise = 5 * theirs.standard_error * 0.0134 * 2**0.5  # five standard errors of the difference of two 2.5 % quantiles
    assert (found.low, found.high) == pytest.approx(tuple(theirs.confidence_interval), abs=noise)


def test_few_users_get_the_exact_p_of_the_library() -> None:
    differences = np.round(np.random.default_rng(4).normal(0.4, 1.0, (9, 6)), 1)  # ties among the sums
    found = sign_flip_p(differences, 2000, seeded())
    slow = [
        np.mean([abs(np.dot(signs, column)) >= abs(column.sum()) - 1e-9 for signs in product((-1, 1), repeat=9)])
        for column in differences.T
    ]
    theirs = [permutation_test((column,), np.sum, permutation_type="samples").pvalue for column in differences.T]
    assert found == pytest.approx(slow, abs=1e-12)
    assert found == pytest.approx(theirs, abs=1e-12)


def test_drawn_signs_approach_the_exact_p() -> None:
    differences = np.random.default_rng(4).normal(0.4, 1.0, (15, 6))
    exact, drawn = sign_flip_p(differences, 2**15, seeded()), sign_flip_p(differences, 2**15 - 1, seeded())
    assert (np.abs(drawn - exact) < 5 * np.sqrt(exact * (1 - exact) / 2**15) + 2**-14).all()


def test_p_is_never_zero_and_no_difference_is_no_evidence() -> None:
    assert sign_flip_p(np.ones((100, 1)), 999, seeded()).tolist() == [1 / 1000]
    assert sign_flip_p(np.zeros((100, 1)), 999, seeded()).tolist() == [1]


def test_weights_are_what_they_claim() -> None:
    counts, signs = draw_counts(50, 40, seeded()), draw_signs(50, 40, seeded())
    assert counts.shape == signs.shape == (50, 40)
    assert abs(counts.mean().item() - 1) < 5 / 2000**0.5
    assert abs(counts.var().item() - 1) < 5 * (3 / 2000) ** 0.5  # Poisson: variance 1, fourth moment 4
    assert signs.unique().tolist() == [-1, 1]
    assert abs(signs.mean().item()) < 5 / 2000**0.5


def test_counts_are_poisson_and_no_bit_is_stuck() -> None:
    counts = draw_counts(500, 400, seeded()).flatten().long()
    expected = np.exp(-1) / np.cumprod([1, 1, 2, 3, 4, 5])
    assert (np.abs(np.bincount(counts.numpy())[:6] / len(counts) - expected) < 5 * np.sqrt(expected / len(counts))).all()
    by_user = draw_signs(2000, 64, seeded()).mean(0)
    assert (by_user.abs() < 5 / 2000**0.5).all()
    by_user = draw_counts(2000, 16, seeded()).mean(0)
    assert ((by_user - 1).abs() < 5 / 2000**0.5).all()


def test_a_resample_of_nobody_is_everybody() -> None:
    assert (draw_counts(100, 1, seeded()) == 0).any()
    assert bootstrap_means(np.array([[3.0]]), 100, seeded()).tolist() == [[3.0]] * 100


def test_the_same_seed_is_the_same_table() -> None:
    differences = skewed(600, 3)
    assert compare_all(differences, seeded(1)) == compare_all(differences, seeded(1))
    assert compare_all(differences, seeded(1)) != compare_all(differences, seeded(2))


def test_changing_places_changes_signs() -> None:
    differences = skewed(600, 3) + 0.03
    for one, other in zip(compare_all(differences, seeded()), compare_all(-differences, seeded()), strict=True):
        expected = (-other.interval.mean, -other.interval.high, -other.interval.low)
        assert (one.interval.mean, one.interval.low, one.interval.high) == pytest.approx(expected, rel=1e-9)
        assert (one.p, one.flipped, one.effect) == pytest.approx((other.p, other.flipped, -other.effect), rel=1e-12)


def test_effect_size_by_hand() -> None:
    assert effect_size(np.array([1.0, 2.0, 3.0])) == pytest.approx(2.0)
    assert effect_size(np.array([0.0, 0.0])) == 0.0
    assert effect_size(np.array([-1.0, -1.0])) == -np.inf
    assert effect_size(np.array([1.0])) == np.inf


def test_holm_by_hand() -> None:
    # 4 x .005; 3 x .01; 2 x .03; and the last may not fall below the one before it.
    assert holm(np.array([0.01, 0.04, 0.03, 0.005])).tolist() == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm(np.array([0.6, 0.7])).tolist() == [1, 1]


def test_holm_keeps_the_chance_of_any_false_alarm() -> None:
    ps = np.random.default_rng(0).random((4000, 20))
    assert (np.stack([holm(row) for row in ps]).min(1) <= 0.05).mean() <= 0.06
    assert (ps.min(1) <= 0.05).mean() > 0.5, "without it most tables raise an alarm"


@pytest.mark.parametrize(("users", "decided", "expected"), [(500, 30, True), (499, 400, False), (500, 29, False)])
def test_too_few_users_or_differences_are_marked(users: int, decided: int, expected: object) -> None:
    differences = np.zeros(users)
    differences[:decided] = 0.1
    assert reliable(differences) is expected
    [found] = compare_all(differences[:, None], seeded(), resamples=10)
    assert (found.users, found.decided, found.reliable) == (users, decided, expected)


@pytest.mark.parametrize(("differences", "message"), [([[np.nan, 1.0]], "1 of 2 differences"), (np.zeros((0, 2)), "no users")])
def test_what_cannot_be_compared_is_refused(differences: object, message: str) -> None:
    with pytest.raises(Refused, match=message):
        compare_all(np.asarray(differences), seeded())


@pytest.mark.slow
def test_a_large_table_fits_in_ten_seconds_and_a_gigabyte() -> None:
    """30,000 users, eight recipes, ten metrics, 2,000 resamples."""
    script = (
        "import time, numpy, torch\n"
        "from benchmarks.measure import peak_mib\n"
        "from recsys_cl.evaluation.compare import compare_all\n"
        "differences = numpy.random.default_rng(0).normal(size=(30_000, 80))\n"
        "began = time.process_time()\n"  # not less than the wall clock says when the cores are free
        "compare_all(differences, torch.Generator().manual_seed(0))\n"
        "assert time.process_time() - began <= 10\n"
        "assert peak_mib() * 2**20 <= 1e9\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
