"""Similarities by definition, and their lifted form."""

import math

import pytest
import torch

from recsys_cl.core.errors import Refused
from recsys_cl.ops.similarity import checked_temperature, lift
from tests.similarities import similarity_of

A = torch.tensor([[3.0, 4.0], [1.0, 0.0]], dtype=torch.float64)
B = torch.tensor([[4.0, 3.0], [0.0, 2.0]], dtype=torch.float64)


@pytest.mark.parametrize(("name", "expected"), [("dot", [24.0, 0.0]), ("cosine", [0.96, 0.0]), ("euclidean", [-2.0, -5.0])])
def test_by_hand(name, expected):
    assert similarity_of(A, B, name).tolist() == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("name", ["dot", "cosine", "euclidean"])
def test_lifted_vectors_have_the_similarity_as_their_dot_product(name):
    queries, candidates = lift(A, B, name)
    each = similarity_of(A.unsqueeze(1), B.unsqueeze(0), name)
    assert torch.allclose(queries @ candidates.T, each, atol=1e-12)


@pytest.mark.parametrize("value", [0.0, -1.0, math.nan, math.inf])
def test_a_temperature_is_finite_and_above_zero(value):
    assert checked_temperature(0.07) == 0.07
    with pytest.raises(Refused, match="tau: must be finite and above 0"):
        checked_temperature(value, "tau")
