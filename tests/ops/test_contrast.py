"""InfoNCE against a loop of math.exp, its closed forms, its symmetries and its limits (properties 01 to 10)."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys_cl.ops.contrast import info_nce

SIMILARITIES = ["cosine", "dot", "euclidean"]


def similarity(a: list[float], b: list[float], name: str) -> float:
    dot = sum(x * y for x, y in zip(a, b, strict=True))
    if name == "cosine":
        return dot / math.sqrt(sum(x * x for x in a)) / math.sqrt(sum(x * x for x in b))
    return dot if name == "dot" else -sum((x - y) ** 2 for x, y in zip(a, b, strict=True))


def slow_info_nce(a: torch.Tensor, p: torch.Tensor, tau: float, name: str) -> float:
    rows, columns = a.tolist(), p.tolist()
    total = 0.0
    for i, row in enumerate(rows):
        weights = {j: math.exp(similarity(row, column, name) / tau) for j, column in enumerate(columns)}
        total -= math.log(weights[i] / sum(weights.values()))
    return total / len(rows)


def pairs(seed: int, rows: int = 7, dim: int = 4) -> tuple[torch.Tensor, torch.Tensor]:
    rng = torch.Generator().manual_seed(seed)
    return (
        torch.randn(rows, dim, dtype=torch.float64, generator=rng),
        torch.randn(rows, dim, dtype=torch.float64, generator=rng),
    )


@pytest.mark.parametrize("name", SIMILARITIES)
@given(seed=st.integers(0, 10_000), rows=st.integers(1, 9), dim=st.integers(1, 5), tau=st.floats(0.1, 5))
@settings(max_examples=25, deadline=None)
def test_equals_a_loop(name, seed, rows, dim, tau):
    a, p = pairs(seed, rows, dim)
    expected = slow_info_nce(a, p, tau, name)
    assert float(info_nce(a, p, temperature=tau, similarity=name)) == pytest.approx(expected, abs=1e-9, rel=1e-9)
    both = (expected + slow_info_nce(p, a, tau, name)) / 2
    assert float(info_nce(a, p, temperature=tau, similarity=name, two_sided=True)) == pytest.approx(both, abs=1e-9, rel=1e-9)


@pytest.mark.parametrize("two_sided", [False, True])
@pytest.mark.parametrize("name", SIMILARITIES)
def test_gradient_is_that_of_finite_differences(name, two_sided):
    a, p = (x.requires_grad_() for x in pairs(1))
    assert torch.autograd.gradcheck(lambda x, y: info_nce(x, y, temperature=0.3, similarity=name, two_sided=two_sided), (a, p))


def test_equal_embeddings_give_log_n():
    same = torch.ones(6, 3, dtype=torch.float64)
    assert float(info_nce(same, same, temperature=0.2)) == pytest.approx(math.log(6), abs=1e-12)


@pytest.mark.parametrize("tau", [0.1, 1.0])
def test_orthonormal_embeddings_have_a_closed_form(tau):
    eye = torch.eye(5, dtype=torch.float64)
    assert float(info_nce(eye, eye, temperature=tau)) == pytest.approx(math.log1p(4 * math.exp(-1 / tau)), abs=1e-12)


def test_cosine_gradient_is_orthogonal_to_its_embedding():
    a, p = (x.requires_grad_() for x in pairs(2))
    info_nce(a, p, temperature=0.1, two_sided=True).backward()
    for x in (a, p):
        assert (x.grad * x).sum(-1).abs().max() < 1e-12
        assert x.grad.abs().max() > 1e-3


@given(seed=st.integers(0, 10_000))
@settings(max_examples=20, deadline=None)
def test_joint_permutation_changes_nothing_and_a_lone_one_does(seed):
    a, p = pairs(seed)
    order = torch.tensor([3, 0, 6, 1, 5, 2, 4])
    loss = info_nce(a, p, temperature=0.2)
    assert torch.allclose(info_nce(a[order], p[order], temperature=0.2), loss, atol=1e-12)
    assert not torch.allclose(info_nce(a, p[order], temperature=0.2), loss, atol=1e-4)


def test_only_the_two_sided_loss_is_symmetric():
    a, p = pairs(3)
    one, other = info_nce(a, p, temperature=0.2), info_nce(p, a, temperature=0.2)
    assert not torch.allclose(one, other, atol=1e-3)
    both = info_nce(a, p, temperature=0.2, two_sided=True)
    assert torch.allclose(both, info_nce(p, a, temperature=0.2, two_sided=True), atol=1e-12)
    assert torch.allclose(both, (one + other) / 2, atol=1e-12)


@given(seed=st.integers(0, 10_000))
@settings(max_examples=20, deadline=None)
def test_cosine_sees_neither_scale_nor_rotation(seed):
    a, p = pairs(seed)
    scale = torch.rand(7, 1, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)) * 10 + 0.01
    turn = torch.linalg.qr(pairs(seed + 1, 4)[0]).Q
    loss = info_nce(a, p, temperature=0.2)
    assert torch.allclose(info_nce(a * scale, p / scale, temperature=0.2), loss, atol=1e-10)
    assert torch.allclose(info_nce(a @ turn, p @ turn, temperature=0.2), loss, atol=1e-10)


def test_limits_of_the_temperature():
    a, _ = pairs(4)
    assert float(info_nce(a, a, temperature=1e9)) == pytest.approx(math.log(7), abs=1e-8)
    assert float(info_nce(a, a, temperature=1e-4)) == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("tau", [1e-8, 1e-4])
@pytest.mark.parametrize("name", SIMILARITIES)
def test_finite_at_extreme_logits(name, tau, dtype):
    a, p = (x.to(dtype).requires_grad_() for x in pairs(5))
    loss = info_nce(a, p, temperature=tau, similarity=name)
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.isfinite(a.grad).all()


@pytest.mark.parametrize("name", SIMILARITIES)
def test_grows_as_the_positive_moves_away(name):
    axes = torch.eye(5, dtype=torch.float64)
    losses = []
    for angle in (0.0, 0.5, 1.0, 1.5, 2.5):  # the first positive turns into a direction no anchor has
        positives = axes[:4].clone()
        positives[0] = math.cos(angle) * axes[0] + math.sin(angle) * axes[4]
        losses.append(float(info_nce(axes[:4], positives, temperature=0.5, similarity=name)))
    assert losses == sorted(losses)
    assert losses[-1] - losses[0] > 0.1


def test_a_batch_of_one_costs_nothing():
    a, p = pairs(7, rows=1)
    assert float(info_nce(a, p, temperature=0.2)) == 0


@pytest.mark.parametrize("name", SIMILARITIES)
def test_everyone_may_be_a_negative(name):
    everyone, rows = pairs(8, rows=9)[0].requires_grad_(), torch.tensor([4, 0, 8])
    anchors = pairs(9, rows=3)[0].requires_grad_()
    expected = 0.0
    for anchor, own in zip(anchors.tolist(), rows.tolist(), strict=True):
        weights = [math.exp(similarity(anchor, row, name) / 0.7) for row in everyone.tolist()]
        expected -= math.log(weights[own] / sum(weights)) / 3
    assert info_nce(anchors, everyone, rows=rows, temperature=0.7, similarity=name).item() == pytest.approx(expected, abs=1e-9)
    assert torch.autograd.gradcheck(
        lambda x, y: info_nce(x, y, rows=rows, temperature=0.7, similarity=name), (anchors, everyone)
    )


def test_everyone_being_the_batch_it_is_the_plain_loss():
    a, p = pairs(10)
    whole = info_nce(a, p, temperature=0.2, rows=torch.arange(7))
    assert torch.equal(whole, info_nce(a, p, temperature=0.2))
