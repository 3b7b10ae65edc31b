"""Layer noise is uniform in the cube's directions, as long as asked for, and repeats with its seed."""

from __future__ import annotations

import torch

from recsys_cl.ops.noise import LayerNoise, disturb
from tests.graphs import generator


def test_directions_are_those_of_a_uniform_cube() -> None:
    """In a uniform square the smaller coordinate over the larger is uniform too."""
    noise = disturb(torch.ones(200_000, 2, dtype=torch.float64), 1.0, generator(1)) - 1
    ratio = noise.min(1).values / noise.max(1).values
    for quantile in (0.1, 0.25, 0.5, 0.75, 0.9):
        assert abs(ratio.quantile(quantile) - quantile) < 0.006  # five deviations
    assert abs((noise[:, 0] > noise[:, 1]).double().mean() - 0.5) < 0.006


def test_odd_sizes_and_zero_rows() -> None:
    vectors = torch.tensor([[0.0, 0.0, 0.0], [1.0, -2.0, 3.0], [-1.0, 0.0, 1.0]])
    moved = disturb(vectors, 0.5, generator(2)) - vectors
    assert moved[0].abs().sum() == 0
    assert torch.allclose(moved[1].norm(), torch.tensor(0.5))
    assert moved[2, 1] == 0


def test_a_request_repeats_its_noise() -> None:
    request, vectors = LayerNoise(0.1, 7), torch.ones(5, 8)
    one, again = (disturb(vectors, request.eps, request.stream()) for _ in range(2))
    assert torch.equal(one, again)
    assert not torch.equal(one, disturb(vectors, 0.1, LayerNoise(0.1, 8).stream()))
