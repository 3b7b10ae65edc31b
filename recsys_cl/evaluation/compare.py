"""Are two rankings of the same users different? Differences are taken user by user, before anything is averaged."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Interval:
    """A mean with its confidence interval."""

    mean: float
    low: float
    high: float


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
