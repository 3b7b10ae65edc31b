"""Effective rank in closed form, and as the singular values have it."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys_cl.ops.spectrum import effective_rank


def test_closed_forms():
    assert effective_rank(torch.eye(7)) == pytest.approx(7)
    assert effective_rank(torch.eye(7, requires_grad=True)) == pytest.approx(7)  # a table itself, as encoders answer
    assert effective_rank(torch.eye(7)[:3]) == pytest.approx(3)
    assert effective_rank(torch.ones(50, 8)) == pytest.approx(1)
    assert effective_rank(torch.ones(5, 80) * torch.arange(5)[:, None]) == pytest.approx(1)
    assert effective_rank(torch.zeros(5, 3)) == 0
    assert effective_rank(torch.zeros(0, 3)) == 0
    two = torch.diag(torch.tensor([3.0, 1.0]))
    assert effective_rank(two) == pytest.approx(math.exp(-(0.75 * math.log(0.75) + 0.25 * math.log(0.25))))


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000), rows=st.integers(1, 12), dim=st.integers(1, 12))
def test_equals_the_singular_values_and_ignores_scale_rotation_and_order(seed, rows, dim):
    rng = torch.Generator().manual_seed(seed)
    vectors = torch.randn(rows, dim, generator=rng, dtype=torch.float64)
    values = torch.linalg.svdvals(vectors)
    shares = values / values.sum()
    assert effective_rank(vectors) == pytest.approx(float((-(shares * shares.log()).sum()).exp()), rel=1e-6)
    rotation = torch.linalg.qr(torch.randn(dim, dim, generator=rng, dtype=torch.float64)).Q
    assert effective_rank(3 * vectors.flip(0) @ rotation) == pytest.approx(effective_rank(vectors), rel=1e-6)
