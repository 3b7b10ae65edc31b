"""Contrast without negatives: two encodings agree while their dimensions stay apart from one another."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import mse_loss

from recsys_cl.ops.precision import full_precision

_ROUNDING = 16  # smallest steps of a number
_EPS = 1e-4  # under the square root of a variance, as published for VICReg


@full_precision
def barlow_twins(one: Tensor, other: Tensor, *, redundancy: float) -> Tensor:
    """``sum_d (1 - C_dd)^2 + redundancy sum_{d != e} C_de^2`` of the cross-correlation C [D, D] over rows [N, D].

    Zbontar et al. 2021, arXiv:2103.03230, eq. 1 and 2. A dimension that does not vary has correlation 0.
    """
    correlation = _standardised(one).T @ _standardised(other) / len(one)
    diagonal = correlation.diagonal()
    return (1 - diagonal).square().sum() + redundancy * _off_diagonal(correlation).square().sum()


@full_precision
def vicreg(one: Tensor, other: Tensor, *, invariance: float, variance: float, covariance: float) -> Tensor:
    """``invariance`` x mean squared error + ``variance`` x hinge of the deviations at 1 + ``covariance`` x squared covariances.

    Bardes et al. 2022, arXiv:2105.04906, eq. 1 to 6, with the authors' code's mean of the two hinges. One row has neither
    variance nor covariance: only the first term is left.
    """
    loss = invariance * mse_loss(one, other)
    if len(one) < 2:
        return loss
    for rows in (one, other):
        centred = rows - rows.mean(0)
        spread = (centred.square().sum(0) / (len(rows) - 1) + _EPS).sqrt()
        loss = loss + variance * torch.relu(1 - spread).mean() / 2
        loss = loss + covariance * _off_diagonal(centred.T @ centred / (len(rows) - 1)).square().sum() / rows.shape[1]
    return loss


@full_precision
def polynomial_uniformity(rows: Tensor, degree: int, offset: float) -> Tensor:
    """``log mean_de (C_de + offset) ^ degree`` of the correlation C [D, D] of the dimensions of rows [N, D].

    Zhang et al. 2024, RecDCL, arXiv:2401.15635, equation 6; of an even degree least where no two dimensions correlate:
    -log D. The authors' code sums over rows where this takes the mean: a constant, but for the offset.
    """
    standard = _standardised(rows)
    correlation = standard.T @ standard / len(rows)
    return (correlation + offset).pow(degree).mean().log()


def _standardised(rows: Tensor) -> Tensor:
    mean = rows.mean(0)
    centred = rows - mean
    variance = centred.square().mean(0)
    rounding = (_ROUNDING * torch.finfo(rows.dtype).eps * mean).square()  # what equal rows differ by from their mean
    return centred * torch.where(variance > rounding, variance, 1).rsqrt()


def _off_diagonal(square: Tensor) -> Tensor:
    return square - torch.diag(square.diagonal())
