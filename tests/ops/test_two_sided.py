"""Both directions from one matrix of logits: equal to asking twice, held or computed again, narrow or wide."""

from __future__ import annotations

import pytest
import torch

from recsys_cl.ops import two_sided
from recsys_cl.ops.softmax import softmax
from recsys_cl.ops.two_sided import two_sided_softmax
from tests.graphs import generator


def rows(seed: int, count: int = 23) -> torch.Tensor:
    return torch.randn(count, 4, dtype=torch.float64, generator=generator(seed)).requires_grad_()


@pytest.mark.parametrize("held", [0, 2**23], ids=["computed again", "held"])
@pytest.mark.parametrize("block", [1, 5 * 23, 2**19])
@pytest.mark.parametrize(("similarity", "temperature"), [("cosine", 0.2), ("cosine", 1e-3), ("dot", 0.1), ("euclidean", 0.5)])
def test_equals_asking_twice(
    monkeypatch: pytest.MonkeyPatch, similarity: str, temperature: float, block: int, held: int
) -> None:
    monkeypatch.setattr(two_sided, "_BLOCK", block)
    monkeypatch.setattr(two_sided, "_HELD", held)
    how = {"temperature": temperature, "similarity": similarity}
    one, other, same, same_other = rows(1), rows(2), rows(1), rows(2)
    own = torch.arange(23)
    fast = two_sided_softmax(one, other, **how)
    slow = (softmax(same, same_other, own, **how) + softmax(same_other, same, own, **how)) / 2
    for loss in (fast, slow):
        (3 * loss).backward()
    assert torch.allclose(fast, slow, rtol=1e-12, atol=1e-9)
    assert torch.allclose(one.grad, same.grad, rtol=0, atol=1e-9 * (1 + same.grad.abs().max().item()))
    assert torch.allclose(other.grad, same_other.grad, rtol=0, atol=1e-9 * (1 + same_other.grad.abs().max().item()))


def test_without_gradients_nothing_is_kept() -> None:
    with torch.no_grad():
        assert not two_sided_softmax(rows(1), rows(2), temperature=0.2).requires_grad
