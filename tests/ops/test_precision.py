"""Losses see fp32 whatever surrounds them: property of every recipe, because a mixed step must be possible for each."""

from __future__ import annotations

import pytest
import torch

from recsys_cl.ops.precision import full_precision
from recsys_cl.ops.softmax import softmax


@full_precision
def product(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    return a @ b


def test_half_precision_is_widened_and_autocast_does_not_reach_in() -> None:
    rng = torch.Generator().manual_seed(0)
    a, b = torch.randn(4, 5, generator=rng), torch.randn(5, 4, generator=rng)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert (a @ b).dtype == torch.bfloat16
        within = product(a, b=b)
        assert product(a.bfloat16(), b).dtype == torch.float32
    assert torch.equal(within, a @ b)
    assert product(a.double(), b.double()).dtype == torch.float64


def test_softmax_under_autocast_is_softmax() -> None:
    rng = torch.Generator().manual_seed(0)
    queries, candidates = (torch.randn(6, 4, generator=rng, requires_grad=True) for _ in range(2))
    target = torch.arange(6)

    def gradients() -> list[torch.Tensor]:
        loss = softmax(queries, candidates, target, temperature=0.1, similarity="cosine")
        return [loss, *torch.autograd.grad(loss, (queries, candidates))]

    plain = gradients()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        mixed = gradients()
    assert all(map(torch.equal, plain, mixed))


def test_gradients_return_in_the_precision_that_came() -> None:
    leaf = torch.randn(6, 4, generator=torch.Generator().manual_seed(0)).bfloat16().requires_grad_()
    softmax(leaf, leaf, torch.arange(6), temperature=1.0).backward()  # type: ignore[no-untyped-call]
    assert leaf.grad is not None
    assert leaf.grad.dtype == torch.bfloat16


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_ids_stay_ids(dtype: torch.dtype) -> None:
    rows = torch.eye(3, dtype=dtype)
    assert softmax(rows, rows, torch.arange(3), temperature=1.0).dtype == torch.float32
