"""The blockwise softmax against dictionaries of math.exp, in value and gradient."""

import math

import pytest
import torch

from recsys_cl.ops import softmax as module
from recsys_cl.ops.softmax import softmax
from tests.similarities import similarity_of


def tensors(seed: int, queries: int = 6, candidates: int = 9, dim: int = 3) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    rng = torch.Generator().manual_seed(seed)
    return (
        torch.randn(queries, dim, dtype=torch.float64, generator=rng),
        torch.randn(candidates, dim, dtype=torch.float64, generator=rng),
        torch.randint(candidates, (queries,), generator=rng),
    )


def slow(q, c, target, tau, name):
    total = 0.0
    for i, row in enumerate(target.tolist()):
        weight = {j: math.exp(float(similarity_of(q[i], c[j], name)) / tau) for j in range(len(c))}
        total -= math.log(weight[row] / sum(weight.values()))
    return total / len(target)


@pytest.mark.parametrize("block", [1, 20, 10**6])
@pytest.mark.parametrize("name", ["cosine", "dot", "euclidean"])
def test_full_softmax_equals_a_loop_whatever_the_block(monkeypatch, name, block):
    monkeypatch.setattr(module, "_CPU_BLOCK", block)
    q, c, target = tensors(0)
    expected = slow(q, c, target, 0.7, name)
    assert float(softmax(q, c, target, temperature=0.7, similarity=name)) == pytest.approx(expected, abs=1e-9)
    q.requires_grad_(), c.requires_grad_()
    assert torch.autograd.gradcheck(lambda x, y: softmax(x, y, target, temperature=0.7, similarity=name), (q, c))


def test_gradient_equals_that_of_cross_entropy():
    q, c, target = tensors(1, 50, 40, 8)
    q.requires_grad_(), c.requires_grad_()
    (3 * softmax(q, c, target, temperature=0.2)).backward()
    fast = q.grad.clone(), c.grad.clone()
    q.grad = c.grad = None
    (3 * torch.nn.functional.cross_entropy(q @ c.T / 0.2, target)).backward()
    assert torch.allclose(fast[0], q.grad, atol=1e-9)
    assert torch.allclose(fast[1], c.grad, atol=1e-9)


def test_only_what_learns_gets_a_gradient():
    q, c, target = tensors(2)
    q.requires_grad_()
    softmax(q, c, target, temperature=1.0).backward()
    assert q.grad.abs().sum() > 0
    assert c.grad is None


@pytest.mark.parametrize("scale", [1e4, 1e6])
def test_finite_at_extreme_logits(scale):
    q, c, target = (x.float() if x.is_floating_point() else x for x in tensors(7))
    q = (q * scale).requires_grad_()
    loss = softmax(q, c, target, temperature=1.0)
    (gradient,) = torch.autograd.grad(loss, q)
    assert torch.isfinite(loss)
    assert torch.isfinite(gradient).all()


@pytest.mark.parametrize("temperature", [0.01, 0.025, 0.03])
def test_an_answer_beyond_hope_costs_what_it_costs(temperature):
    """Cosine logits of 100, 40 and 33 on either side of 0: beyond, at and within what is exponentiated as it is."""
    q = torch.tensor([[1.0, 0.0]]).repeat(3, 1)
    c = torch.tensor([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0]])
    q.requires_grad_(), c.requires_grad_()
    loss = softmax(q, c, torch.tensor([1, 1, 1]), temperature=temperature, similarity="cosine")
    assert loss.item() == pytest.approx(2 / temperature, rel=1e-6)
    assert all(torch.isfinite(g).all() for g in torch.autograd.grad(loss, (q, c)))
