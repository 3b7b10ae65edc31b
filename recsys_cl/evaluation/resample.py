"""Chance made explicit: users are drawn anew, or the two rankings change places, thousands of times at once.

A resample is a row of weights over users, so that many resamples of many comparisons are one matrix product. Weights are made
a block at a time; memory does not grow with the number of resamples.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

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

    All columns see the same draws of users, so that means of two columns are paired too.
    """
    return np.concatenate(list(_products(values, resamples, rng, draw_counts))) / len(values)


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
    """How often each user is drawn in ``users`` draws with replacement: multinomial counts [resamples, users]."""
    drawn = torch.randint(users, (resamples, users), generator=rng)
    drawn += torch.arange(0, resamples * users, users)[:, None]
    return drawn.flatten().bincount(minlength=resamples * users).view(resamples, users).double()


def draw_signs(resamples: int, users: int, rng: Generator) -> Tensor:
    """Fair signs, -1 or 1, [resamples, users]."""
    return torch.randint(2, (resamples, users), generator=rng, dtype=torch.int8).double().mul_(2).sub_(1)


def _products(values: NDArray[np.float64], resamples: int, rng: Generator, weigh: Weigh) -> Iterator[NDArray[np.float64]]:
    """Weighted sums over users [b, C], block by block of resamples."""
    users = len(values)
    columns = torch.from_numpy(np.ascontiguousarray(values))
    block = max(1, BLOCK // max(users, 1))
    for begin in range(0, resamples, block):
        yield (weigh(min(block, resamples - begin), users, rng) @ columns).numpy()
