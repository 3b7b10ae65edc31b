"""Decoupled, debiased and hard-weighted contrast: loops, and where they meet InfoNCE."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys_cl.ops.contrast import decoupled, hard_weighted, info_nce
from tests.similarities import similarity_of

SIMILARITIES = ["cosine", "dot", "euclidean"]


def pairs(seed: int, rows: int = 6) -> tuple[torch.Tensor, torch.Tensor]:
    rng = torch.Generator().manual_seed(seed)
    one, other = torch.randn(2, rows, 4, dtype=torch.float64, generator=rng)
    return one, other


def slow(a, p, tau, name, hardness, prior, *, keep=True):
    """Robinson et al. term by term; ``keep``: whether the positive stays in the denominator."""
    total, n = 0.0, len(a)
    for i in range(n):
        s = {j: float(similarity_of(a[i], p[j], name)) / tau for j in range(n)}
        others = [j for j in range(n) if j != i]
        weight = {j: math.exp(hardness * s[j]) for j in others}
        mean = sum(weight[j] * math.exp(s[j]) for j in others) / sum(weight.values())
        mean = (mean - prior * math.exp(s[i])) / (1 - prior)
        mean = max(mean, math.exp(-1 / tau) if name == "cosine" else 0.0)
        total += math.log(keep * math.exp(s[i]) + len(others) * mean) - s[i]
    return total / n


@pytest.mark.parametrize("name", SIMILARITIES)
@given(seed=st.integers(0, 10_000), hardness=st.floats(0, 2), prior=st.floats(0, 0.5), tau=st.floats(0.2, 3))
@settings(max_examples=25, deadline=None)
def test_hard_weighted_equals_a_loop(name, seed, hardness, prior, tau):
    a, p = pairs(seed)
    loss = hard_weighted(a, p, temperature=tau, hardness=hardness, prior=prior, similarity=name)
    assert float(loss) == pytest.approx(slow(a, p, tau, name, hardness, prior), abs=1e-9, rel=1e-9)


@pytest.mark.parametrize("name", SIMILARITIES)
def test_decoupled_equals_a_loop(name):
    a, p = pairs(1)
    assert float(decoupled(a, p, temperature=0.5, similarity=name)) == pytest.approx(
        slow(a, p, 0.5, name, 0.0, 0.0, keep=False), abs=1e-9
    )


@pytest.mark.parametrize("name", SIMILARITIES)
def test_without_hardness_and_prior_it_is_info_nce(name):
    a, p = pairs(2)
    loss = hard_weighted(a, p, temperature=0.3, hardness=0.0, prior=0.0, similarity=name)
    assert torch.allclose(loss, info_nce(a, p, temperature=0.3, similarity=name), atol=1e-12)


def test_closed_forms():
    same, eye = torch.ones(6, 3, dtype=torch.float64), torch.eye(5, dtype=torch.float64)
    assert float(decoupled(same, same, temperature=0.2)) == pytest.approx(math.log(5), abs=1e-12)
    assert float(decoupled(eye, eye, temperature=0.2)) == pytest.approx(math.log(4) - 5, abs=1e-12)
    assert float(hard_weighted(same, same, temperature=0.2, hardness=3.0, prior=0.4)) == pytest.approx(math.log(6), abs=1e-12)


def test_hardness_raises_the_loss():
    a, p = pairs(3)
    losses = [float(hard_weighted(a, p, temperature=0.5, hardness=b, prior=0.0)) for b in (0.0, 0.5, 1.0, 2.0)]
    assert losses == sorted(losses)
    assert losses[-1] - losses[0] > 0.01


def test_gradients_are_those_of_finite_differences():
    a, p = (x.requires_grad_() for x in pairs(4))
    assert torch.autograd.gradcheck(lambda x, y: decoupled(x, y, temperature=0.4), (a, p))
    # The row maximum is held fixed in the graph and cancels in the value; so do its finite differences.
    assert torch.autograd.gradcheck(lambda x, y: hard_weighted(x, y, temperature=0.4, hardness=1.0, prior=0.1), (a, p))


@pytest.mark.parametrize("rows", [1, 6])
@pytest.mark.parametrize("tau", [1e-8, 1e-3])
def test_finite_at_extremes(rows, tau):
    for loss in (decoupled, lambda *x, **k: hard_weighted(*x, hardness=1.0, prior=0.1, **k)):
        a, p = (x.float().requires_grad_() for x in pairs(5, rows))
        value = loss(a, p, temperature=tau)
        value.backward()
        assert torch.isfinite(value)
        assert torch.isfinite(a.grad).all()
        if rows == 1:
            assert value == 0


@pytest.mark.parametrize("hardness", [1.0, 10.0, 50.0])
def test_great_hardness_is_the_same_in_single_precision(hardness):
    rng = torch.Generator().manual_seed(3)
    one = torch.randn(400, 8, dtype=torch.float64, generator=rng)
    other = one + 0.05 * torch.randn(400, 8, dtype=torch.float64, generator=rng)
    exact, single = (
        hard_weighted(one.to(kind), other.to(kind), temperature=0.1, hardness=hardness, prior=0.0).item()
        for kind in (torch.float64, torch.float32)
    )
    assert single == pytest.approx(exact, rel=1e-3)
    assert exact > 0.01
