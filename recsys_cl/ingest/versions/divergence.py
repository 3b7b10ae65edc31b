"""How far two samples are apart, beside how far chance alone would bring them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

Counts = NDArray[Any]  # [B], of any numeric type
_Z = 3.09  # one in a thousand under no change


def independent(rows: Counts) -> float:
    """How many independent samples so many rows a user [U] are worth, since a user's rows hang together (Kish, 1965)."""
    return float(rows.sum() ** 2 / max((rows.astype(np.float64) ** 2).sum(), 1.0))


def broad(expected: Counts, actual: Counts, samples: float) -> tuple[Counts, Counts]:
    """Neighbouring bins [B] put together until about ten of so many samples are expected in each."""
    begins = np.cumsum(expected) - expected
    cells = max(int(samples / 10), 1)
    _, bins = np.unique(np.floor(begins / expected.sum() * cells), return_inverse=True)
    return np.bincount(bins, expected), np.bincount(bins, actual)


def psi(expected: Counts, actual: Counts) -> float:
    """Population stability index of two histograms over the same bins [B]; half a count is added to each bin.

    0 is no change; by custom 0.1 is worth a look and 0.25 a change.
    """
    one, other = (counts + 0.5 for counts in (expected, actual))
    one, other = one / one.sum(), other / other.sum()
    return float(((other - one) * np.log(other / one)).sum())


def psi_by_chance(bins: int, samples: float, others: float) -> float:
    """What ``psi`` exceeds once in a thousand when nothing changed, with so many independent samples on each side.

    Source: Yurdakul, 2018, Statistical properties of population stability index: PSI / (1/n + 1/m) is about
    chi-squared with B - 1 degrees of freedom; its quantile by Wilson and Hilferty, 1931.
    """
    freedom = max(bins - 1, 1)
    share = 2 / (9 * freedom)
    return float(freedom * (1 - share + _Z * math.sqrt(share)) ** 3 * _noise(samples, others))


def ks(expected: Counts, actual: Counts) -> float:
    """Kolmogorov-Smirnov: the greatest distance of two distributions, given as counts [V] of rising values."""
    one, other = (np.cumsum(counts) / counts.sum() for counts in (expected, actual))
    return float(np.abs(one - other).max())


def ks_by_chance(samples: float, others: float) -> float:
    """What ``ks`` exceeds once in a thousand when nothing changed (Smirnov, 1948, the limit for large samples)."""
    return float(math.sqrt(-math.log(0.001 / 2) / 2) * math.sqrt(_noise(samples, others)))


def share_by_chance(share: float, samples: float) -> float:
    """What the share seen in so many samples exceeds once in a thousand where ``share`` is true, by the normal law."""
    return float(share + _Z * math.sqrt(share * (1 - share) / max(samples, 1)))


def ratio_by_chance(samples: float, others: float) -> float:
    """What the logarithm of a ratio of two rates exceeds once in a thousand, by the delta method."""
    return float(_Z * math.sqrt(_noise(samples, others)))


def _noise(samples: float, others: float) -> float:
    return 1 / max(samples, 1) + 1 / max(others, 1)
