"""Chance made explicit: users are drawn anew, or the two rankings change places, thousands of times at once.

A resample is a row of weights over users, so that many resamples of many comparisons are one matrix product. Weights are made
a block at a time; memory does not grow with the number of resamples.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from math import factorial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Generator, Tensor

BLOCK = 2**22
"""Weights made at once: 32 MiB as fp64."""

Weigh = Callable[[int, int, Generator], Tensor]
"""``(resamples, users, rng)`` to weights [resamples, users], fp64."""


def bootstrap_means(values: NDArray[np.float64], resamples: int, rng: Generator) -> NDArray[np.float64]:
    """Means of every column of ``values`` [U, C] over users drawn with replacement, [resamples, C] (Efron, 1979).

    All columns see the same draws of users, so that means of two columns are paired too. A resample of nobody, which needs
    very few users, is replaced by everybody.
    """
    everyone = np.column_stack((values, np.ones(len(values))))
    sums = np.concatenate(list(_products(everyone, resamples, rng, draw_counts)))
    drawn = sums[:, -1:]
    means: NDArray[np.float64] = np.where(drawn > 0, sums[:, :-1] / np.maximum(drawn, 1), values.mean(0))
    return means


def sign_flip_p(differences: NDArray[np.float64], resamples: int, rng: Generator) -> NDArray[np.float64]:
    """Two-sided p-values [C] of "the two rankings are exchangeable" for ``differences`` [U, C] (Fisher, 1935).

    If they are, each user's difference might as well have the other sign. Where ``2^U <= resamples`` all signs are tried and p
    is exact; else it is ``(1 + as extreme) / (1 + resamples)``, never 0 (Phipson & Smyth, 2010). No distribution is
    assumed beyond symmetry under the hypothesis; with some hundred users the mean does not need even that.
    """
    users = len(differences)
    observed = np.abs(differences.sum(0))
    reached = observed - 1e-12 * np.abs(differences).sum(0)  # sums in another order are equal, not smaller
    if users < 31 and 2**users <= resamples:
        signs = ((torch.arange(2**users)[:, None] >> torch.arange(users)) & 1).double().mul_(2).sub_(1).numpy()
        exact: NDArray[np.float64] = (np.abs(signs @ differences) >= reached).mean(0)
        return exact
    extreme = sum((np.abs(sums) >= reached).sum(0) for sums in _products(differences, resamples, rng, draw_signs))
    return np.asarray((1 + extreme) / (1 + resamples), dtype=np.float64)


def draw_counts(resamples: int, users: int, rng: Generator) -> Tensor:
    """How often each user is drawn, [resamples, users]: Poisson counts of mean 1, each user's on their own.

    Multinomial counts, whose sum is the number of users, differ only in that sum, which a mean divides by (Chamandy et al.,
    2012, Estimating Uncertainty for Massive Data Streams); these need one look-up of 16 random bits instead of a histogram.
    """
    return torch.from_numpy(_POISSON[_random_bits(resamples, users, rng, np.uint16)])


def draw_signs(resamples: int, users: int, rng: Generator) -> Tensor:
    """Fair signs, -1 or 1, [resamples, users]."""
    bits = np.unpackbits(_random_bits(resamples, -(-users // 8), rng, np.uint8), axis=1)[:, :users]
    return torch.from_numpy(bits.astype(np.float64)).mul_(2).sub_(1)


def _random_bits(rows: int, width: int, rng: Generator, kind: type[np.unsignedinteger[Any]]) -> NDArray[Any]:
    """Uniform unsigned integers [rows, width]. Every row begins with fresh bits, so that blocks of rows do not matter."""
    words = -(-width * np.dtype(kind).itemsize // 8)
    drawn = torch.empty(rows, words, dtype=torch.int64).random_(-(2**63), None, generator=rng)
    return drawn.numpy().view(kind)[:, :width]


def _poisson_table() -> NDArray[np.float64]:
    """The count that each of the 2^16 values of 16 random bits stands for, by the inverse of the distribution function."""
    reached = np.cumsum([np.exp(-1.0) / factorial(count) for count in range(12)])
    return np.searchsorted(reached, (np.arange(2**16) + 0.5) / 2**16).astype(np.float64)


_POISSON = _poisson_table()


def _products(values: NDArray[np.float64], resamples: int, rng: Generator, weigh: Weigh) -> Iterator[NDArray[np.float64]]:
    """Weighted sums over users [b, C], block by block of resamples."""
    users = len(values)
    columns = torch.from_numpy(np.ascontiguousarray(values))
    block = max(1, BLOCK // max(users, 1))
    for begin in range(0, resamples, block):
        yield (weigh(min(block, resamples - begin), users, rng) @ columns).numpy()
