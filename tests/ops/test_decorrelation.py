"""Barlow Twins and VICReg against statistics computed entry by entry."""

import math
from statistics import fmean, stdev

import pytest
import torch

from recsys_cl.ops.decorrelation import barlow_twins, polynomial_uniformity, vicreg


def rows(seed: int, count: int = 7) -> torch.Tensor:
    return torch.randn(count, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def columns(x: torch.Tensor) -> list[list[float]]:
    return [list(c) for c in zip(*x.tolist(), strict=True)]


def covariance(a: list[float], b: list[float], over: int) -> float:
    return sum((x - fmean(a)) * (y - fmean(b)) for x, y in zip(a, b, strict=True)) / over


def test_barlow_twins_equals_a_loop():
    a, b = columns(rows(0)), columns(rows(1))
    total = 0.0
    for d, x in enumerate(a):
        for e, y in enumerate(b):
            c = covariance(x, y, 7) / math.sqrt(covariance(x, x, 7) * covariance(y, y, 7))
            total += (1 - c) ** 2 if d == e else 0.1 * c**2
    assert float(barlow_twins(rows(0), rows(1), redundancy=0.1)) == pytest.approx(total, abs=1e-9)


def test_vicreg_equals_a_loop():
    one, other = rows(2), rows(3)
    error = fmean((x - y) ** 2 for x, y in zip(one.flatten().tolist(), other.flatten().tolist(), strict=True))
    hinge = cross = 0.0
    for view in (columns(one), columns(other)):
        hinge += fmean(max(0.0, 1 - math.sqrt(stdev(c) ** 2 + 1e-4)) for c in view) / 2
        cross += sum(covariance(x, y, 6) ** 2 for x in view for y in view if x is not y) / 3
    expected = 25 * error + 25 * hinge + 2 * cross
    assert float(vicreg(one, other, invariance=25, variance=25, covariance=2)) == pytest.approx(expected, abs=1e-9)


def test_perfect_views_cost_nothing():
    design = torch.tensor([[1, 1], [1, -1], [-1, 1], [-1, -1]], dtype=torch.float64)
    assert float(barlow_twins(design, 5 * design + 3, redundancy=1.0)) == pytest.approx(0, abs=1e-12)
    assert float(vicreg(design, design, invariance=25, variance=25, covariance=1)) == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("count", [1, 7])
def test_collapsed_or_lonely_rows_stay_finite(count):
    same = torch.ones(count, 3, requires_grad=True)
    for loss in (barlow_twins(same, same, redundancy=0.1), vicreg(same, same, invariance=1, variance=1, covariance=1)):
        (gradient,) = torch.autograd.grad(loss, same)
        assert torch.isfinite(loss)
        assert torch.isfinite(gradient).all()


def test_gradients():
    a, b = rows(4).requires_grad_(), rows(5).requires_grad_()
    assert torch.autograd.gradcheck(lambda x, y: barlow_twins(x, y, redundancy=0.1), (a, b))
    assert torch.autograd.gradcheck(lambda x, y: vicreg(x, y, invariance=2, variance=3, covariance=1), (a, b))


@pytest.mark.parametrize("count", [7, 100, 1000])
def test_equal_rows_vary_by_nothing_but_rounding_and_get_no_gradient(count):
    one = torch.full((count, 4), 0.1, requires_grad=True)
    other = torch.randn(count, 4, generator=torch.Generator().manual_seed(1))
    loss = barlow_twins(one, other, redundancy=0.1)
    loss.backward()
    assert loss.item() == pytest.approx(4)
    assert one.grad.abs().max() < 1


@pytest.mark.parametrize("degree", [2, 4])
def test_polynomial_uniformity_is_least_where_dimensions_have_nothing_in_common(degree):
    apart = torch.tensor([[1.0, 1], [1, -1], [-1, 1], [-1, -1]])
    opposite = apart[:, :1] * torch.tensor([1.0, -1])
    least = polynomial_uniformity(apart, degree, 1e-7).item()
    assert least == pytest.approx(-math.log(2), abs=1e-4)
    assert polynomial_uniformity(opposite, degree, 1e-7).item() > least + 0.5
