"""Are two rankings of the same users different? Differences are taken user by user, before anything is averaged."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Generator

from recsys_cl.core.errors import Refused
from recsys_cl.evaluation.resample import bootstrap_means, sign_flip_p

USERS = 500
"""Fewer users than this do not carry an interval."""
DECIDED = 30
"""Fewer users than this whose values differ at all do not either."""
_RESAMPLES = (2_000, 10_000)
"""At least, and at most; in between a hundred of them lie beyond the ends of an interval."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A mean with its confidence interval."""

    mean: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Difference:
    """One line of a table of comparisons: how far apart, how surely, and whether there were users enough to say."""

    interval: Interval  # percentile bootstrap over users
    effect: float  # Cohen's d_z
    p: float  # two-sided, paired t
    flipped: float  # two-sided, sign flips: the same question without the normal curve
    adjusted: float  # ``p`` after Holm over the whole table
    users: int
    decided: int  # users whose two values differ
    reliable: bool


def paired_interval(ours: NDArray[Any], theirs: NDArray[Any], confidence: float = 0.95) -> Interval:
    """Mean of ``ours - theirs`` [U] over users, with Student's t interval.

    The t interval holds at these sample sizes whatever the shape of the differences, where the Wilcoxon and sign tests
    answer another question and call skewed differences significant. Fewer than two users give an unbounded interval.
    """
    from scipy.stats import t

    differences = ours - theirs
    mean = float(differences.mean())
    count = len(differences)
    if count < 2:
        return Interval(mean, -np.inf, np.inf)
    reach = float(t.ppf((1 + confidence) / 2, count - 1) * differences.std(ddof=1) / np.sqrt(count))
    return Interval(mean, mean - reach, mean + reach)


def bootstrap_intervals(
    differences: NDArray[np.float64], rng: Generator, resamples: int = 2000, confidence: float = 0.95
) -> list[Interval]:
    """Mean of each column of ``differences`` [U, C] with its percentile interval over users drawn with replacement.

    The intervals share their draws. They follow the skew of the differences, which Student's t does not.
    """
    means = bootstrap_means(differences, resamples, rng)
    low, high = np.quantile(means, [(1 - confidence) / 2, (1 + confidence) / 2], axis=0)
    return [Interval(*map(float, row)) for row in zip(differences.mean(0), low, high, strict=True)]


def covering_interval(differences: NDArray[np.float64], rng: Generator, confidence: float = 0.95) -> Interval:
    """The mean of ``differences`` [U] with the least interval that holds both Student's t and the bootstrap's.

    On skewed differences the two part, either way round: what lies beyond both does not hang on which of them was asked.
    """
    resamples = int(np.clip(100 / (1 - confidence), *_RESAMPLES))
    [drawn] = bootstrap_intervals(differences[:, None], rng, resamples, confidence)
    by_t = paired_interval(differences, np.zeros_like(differences), confidence)
    return Interval(by_t.mean, min(by_t.low, drawn.low), max(by_t.high, drawn.high))


def beyond(differences: NDArray[np.float64], interval: Interval, bound: float, *, above: bool = True) -> bool:
    """Whether the mean of ``differences`` [U] lies above (below) ``bound``: all of its interval, and of users enough to say."""
    return reliable(differences) and (interval.low > bound if above else interval.high < bound)


def compare_all(
    differences: NDArray[np.float64], rng: Generator, resamples: int = 2000, confidence: float = 0.95
) -> list[Difference]:
    """Every comparison of a table: column ``c`` of ``differences`` [U, C] is one recipe and metric against another.

    ``adjusted`` is corrected for the number of columns, so give all that are shown together at once. It corrects the t test,
    because 2,000 sign flips know no p below 1/2001: in a table of 100 comparisons nothing could ever be significant.

    Raises:
        Refused: no users, or a difference that is not finite.
    """
    if not len(differences):
        raise Refused("no users to compare")
    if not np.isfinite(differences).all():
        raise Refused(f"{int((~np.isfinite(differences)).sum())} of {differences.size} differences are not finite")
    intervals = bootstrap_intervals(differences, rng, resamples, confidence)
    ps, flips = paired_t_p(differences), sign_flip_p(differences, resamples, rng)
    return [
        Difference(interval, effect_size(column), p, flipped, adjusted, len(column), decided(column), reliable(column))
        for interval, column, p, flipped, adjusted in zip(
            intervals, differences.T, ps.tolist(), flips.tolist(), holm(ps).tolist(), strict=True
        )
    ]


def paired_t_p(differences: NDArray[np.float64]) -> NDArray[np.float64]:
    """Two-sided p-values [C] of "the mean difference is 0" for ``differences`` [U, C] (Student, 1908, Biometrika 6).

    1 without any difference or with one user; 0 where all users differ by the same.
    """
    from scipy.stats import t

    users, mean = len(differences), differences.mean(0)
    if users < 2:
        return np.ones_like(mean)
    error = differences.std(0, ddof=1) / np.sqrt(users)
    ratio = np.divide(np.abs(mean), error, out=np.where(mean == 0, 0.0, np.inf), where=error > 0)
    return np.asarray(2 * t.sf(ratio, users - 1), dtype=np.float64)


def effect_size(differences: NDArray[Any]) -> float:
    """Cohen's d_z, ``mean / standard deviation`` of ``differences`` [U]: 0.2 is small, 0.8 large (Cohen, 1988).

    0 without any difference; infinite where all users differ by the same.
    """
    mean = float(differences.mean())
    spread = float(differences.std(ddof=1)) if len(differences) > 1 else 0.0
    if spread > 0:
        return mean / spread
    return float(np.copysign(np.inf, mean)) if mean else 0.0


def decided(differences: NDArray[Any]) -> int:
    """Users of ``differences`` [U] whose values are not the same."""
    return int(np.count_nonzero(differences))


def reliable(differences: NDArray[Any]) -> bool:
    """Whether there are users enough, and enough of them differ, for an interval to hold what it promises."""
    return len(differences) >= USERS and decided(differences) >= DECIDED


def holm(ps: NDArray[np.float64]) -> NDArray[np.float64]:
    """P-values ``ps`` [C] that may be read together: the chance of any false alarm among all stays below the level.

    The i-th smallest of C is multiplied by ``C - i + 1``, none falls below a smaller one (Holm, 1979, Scand. J. Statist. 6).
    """
    order = np.argsort(ps, kind="stable")
    adjusted = np.empty_like(ps)
    adjusted[order] = np.minimum(np.maximum.accumulate(ps[order] * np.arange(len(ps), 0, -1)), 1.0)
    return adjusted
