"""A linear map from the vectors that people have in one domain to those that the same people have in another."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

_PENALTIES = torch.logspace(-4, 4, 17, dtype=torch.float64)  # in units of the mean variance of a coordinate


class Bridge(NamedTuple):
    """``there + (x - here) @ matrix`` is where somebody at ``x`` should be."""

    here: Tensor  # [D] mean of the pairs' vectors where they come from
    there: Tensor  # [E] mean where they go to
    matrix: Tensor  # [D, E]

    def __call__(self, vectors: Tensor) -> Tensor:
        """Where ``vectors`` [N, D] go, [N, E]."""
        return self.there + (vectors - self.here) @ self.matrix


@torch.no_grad()
def fit_bridge(here: Tensor, there: Tensor, ridge: float | None = None) -> Bridge:
    """The map with the least ``sum |there - map(here)|^2 / N + ridge |matrix|^2`` for N pairs of rows, [N, D] and [N, E].

    Man et al., 2017, EMCDR, IJCAI, section 3.3 (linear mapping), with centred vectors. Without a ``ridge``, that one of a
    range is taken which predicts pairs left out best, by generalised cross-validation (Golub, Heath & Wahba, 1979,
    Technometrics 21), and the matrix is 0 where that predicts them better still: vectors that have nothing to do with each
    other carry nothing over. Without two pairs it is neutral: everybody goes to the mean, 0 where there is none.
    """
    if len(here) < 2:
        middle = [side.mean(0) if len(side) else side.new_zeros(side.shape[1]) for side in (here, there)]
        return Bridge(middle[0], middle[1], here.new_zeros(here.shape[1], there.shape[1]))
    count, mean, goal = len(here), here.mean(0), there.mean(0)
    from_here, to_there = (here - mean).double(), (there - goal).double()
    squares, axes = torch.linalg.eigh(from_here.T @ from_here / count)
    squares, along = squares.clamp(min=0), axes.T @ (from_here.T @ to_there / count)  # [D], [D, E]
    best = _best(squares, along, float(to_there.square().sum() / count), count) if ridge is None else ridge
    shrunk = along / (squares + best).clamp(min=torch.finfo(torch.float64).tiny)[:, None]
    return Bridge(mean, goal, (axes @ shrunk).to(here.dtype))


def _best(squares: Tensor, along: Tensor, total: float, count: int) -> float:
    """The penalty of least generalised cross-validation error, by the eigenvalues; infinite: the mean alone predicts best.

    With ``f = s / (s + penalty)`` the squared error is ``total - sum (2 f - f^2) |along|^2 / s``, on ``sum f`` degrees.
    """
    worth = along.square().sum(1) / squares.clamp(min=torch.finfo(torch.float64).tiny)
    best, least = float("inf"), total / (1 - 1 / count) ** 2
    for penalty in (_PENALTIES.to(squares.device) * squares.mean()).tolist():
        kept = squares / (squares + penalty) if penalty else (squares > 0).double()
        left = 1 - (1 + float(kept.sum())) / count
        error = total - float(((2 * kept - kept.square()) * worth * (squares > 0)).sum())
        if left > 0 and error / left**2 < least:
            best, least = penalty, error / left**2
    return best
