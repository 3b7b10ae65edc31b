"""Byte dropout against its definition: how many fall, what the others become, and that no element leans on another."""

from __future__ import annotations

import pytest
import torch

from recsys_cl.ops.dropout import dropout


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(4)


@pytest.mark.parametrize("rate", [0.1, 0.25, 0.5, 0.9])
def test_the_rate_holds_and_the_survivors_keep_the_mean(rate: float) -> None:
    kept = 1 - round(rate * 256) / 256
    values = dropout(torch.ones(500, 1001), rate)
    assert abs(kept - (1 - rate)) <= 1 / 512
    assert values.unique().tolist() == pytest.approx([0.0, 1 / kept])
    # a share of n draws strays further than 5 standard deviations once in two million times
    assert abs(float((values > 0).double().mean()) - kept) < 5 * (kept * (1 - kept) / values.numel()) ** 0.5


def test_neighbours_fall_independently() -> None:
    fallen = (dropout(torch.ones(400_000), 0.5) == 0).double() - 0.5
    for step in (1, 2, 4, 8, 16):
        assert abs(float((fallen[:-step] * fallen[step:]).mean()) * 4) < 5 / 400_000**0.5


def test_the_gradient_goes_where_the_value_went() -> None:
    values = torch.full((64, 3), 2.0, requires_grad=True)
    out = dropout(values, 0.3)
    (gradient,) = torch.autograd.grad(out.sum(), values)
    assert torch.equal(gradient * 2, out)


def test_no_rate_is_no_change_and_a_rate_of_one_leaves_nothing() -> None:
    values = torch.randn(5, 7)
    assert torch.equal(dropout(values, 0.0), values)
    assert not dropout(values, 1.0).any()
    assert dropout(values[:0], 0.5).shape == (0, 7)
