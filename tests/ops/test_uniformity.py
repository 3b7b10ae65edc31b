"""Alignment and uniformity: loops and closed forms."""

import math

import pytest
import torch

from recsys_cl.ops import uniformity as module
from recsys_cl.ops.twice import twice_differentiable
from recsys_cl.ops.uniformity import alignment, uniformity


def rows(seed: int, count: int = 6) -> torch.Tensor:
    return torch.randn(count, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def unit(x: torch.Tensor) -> list[list[float]]:
    return [[v / math.sqrt(sum(w * w for w in r)) for v in r] for r in x.tolist()]


def apart(a: list[float], b: list[float]) -> float:
    return sum((x - y) ** 2 for x, y in zip(a, b, strict=True))


def test_equal_loops():
    a, b = rows(0), rows(1)
    pulls = [apart(x, y) for x, y in zip(unit(a), unit(b), strict=True)]
    assert float(alignment(a, b)) == pytest.approx(sum(pulls) / 6, abs=1e-9)
    u = unit(a)
    pushes = [math.exp(-2 * apart(u[i], u[j])) for i in range(6) for j in range(i)]
    assert float(uniformity(a)) == pytest.approx(math.log(sum(pushes) / 15), abs=1e-9)


@pytest.mark.parametrize("count", [2, 3, 4])
def test_regular_simplex_has_a_closed_form(count):
    corners = torch.eye(count, dtype=torch.float64) - 1 / count  # equal angles, cos = -1 / (count - 1)
    distance = 2 + 2 / (count - 1)
    assert float(uniformity(corners)) == pytest.approx(-2 * distance, abs=1e-12)
    assert float(alignment(corners, 7 * corners)) == pytest.approx(0, abs=1e-12)
    assert float(alignment(corners, -corners)) == pytest.approx(4, abs=1e-12)


def test_collapse_is_the_worst():
    assert float(uniformity(torch.ones(5, 3, dtype=torch.float64))) == pytest.approx(0, abs=1e-12)
    assert uniformity(rows(2)) < 0
    assert uniformity(rows(2, 1)) == 0


@pytest.mark.parametrize("block", [1, 13, 2**20])
def test_gradients(monkeypatch, block):
    monkeypatch.setattr(module, "_BLOCK", block)
    a, b = rows(3).requires_grad_(), rows(4).requires_grad_()
    assert torch.autograd.gradcheck(alignment, (a, b))
    assert torch.autograd.gradcheck(uniformity, (a,))
    with twice_differentiable():
        slow = uniformity(a)
        assert torch.autograd.gradgradcheck(uniformity, (a,))
    fast = uniformity(a)
    assert fast.item() == pytest.approx(slow.item(), abs=1e-12)
    assert torch.allclose(torch.autograd.grad(fast, a)[0], torch.autograd.grad(slow, a)[0], atol=1e-12)
