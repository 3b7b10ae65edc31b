"""The map between two domains: it finds a linear one, and says nothing where nobody is in both."""

from __future__ import annotations

import torch

from recsys_cl.ops.bridge import fit_bridge
from tests.graphs import generator


def test_a_linear_map_is_recovered() -> None:
    rng = generator()
    here, matrix = (torch.randn(size, dtype=torch.float64, generator=rng) for size in ((200, 6), (6, 4)))
    shift = torch.randn(4, dtype=torch.float64, generator=rng)
    bridge = fit_bridge(here, here @ matrix + shift, ridge=1e-12)
    new = torch.randn(9, 6, dtype=torch.float64, generator=rng)
    torch.testing.assert_close(bridge(new), new @ matrix + shift, rtol=0, atol=1e-9)


def test_it_is_the_least_of_the_penalised_squares() -> None:
    rng = generator(1)
    here, there = (torch.randn(30, 3, dtype=torch.float64, generator=rng) for _ in range(2))
    bridge = fit_bridge(here, there, ridge=0.3)

    def cost(matrix: torch.Tensor) -> float:
        mapped = bridge.there + (here - bridge.here) @ matrix
        return float((there - mapped).square().sum() / 30 + 0.3 * matrix.square().sum())

    for row in range(3):
        for column in range(3):
            for step in (-1e-3, 1e-3):
                moved = bridge.matrix.clone()
                moved[row, column] += step
                assert cost(moved) > cost(bridge.matrix)


def test_without_pairs_it_is_neutral() -> None:
    bridge = fit_bridge(torch.zeros(0, 3), torch.zeros(0, 2), ridge=1e-3)
    assert torch.equal(bridge(torch.randn(5, 3, generator=generator())), torch.zeros(5, 2))


def test_the_chosen_penalty_carries_over_what_there_is_and_nothing_where_there_is_nothing() -> None:
    rng = generator(2)
    here, matrix, noise = (torch.randn(size, dtype=torch.float64, generator=rng) for size in ((400, 8), (8, 8), (400, 8)))
    related, unrelated = fit_bridge(here, here @ matrix + 0.1 * noise), fit_bridge(here, noise)
    assert (related.matrix - matrix).norm() < 0.02 * matrix.norm()
    assert unrelated.matrix.norm() < 0.1, "least squares would give sqrt(64 / 400) = 0.4"


def test_the_shortcut_is_cross_validation_by_the_hat_matrix() -> None:
    from recsys_cl.ops.bridge import _PENALTIES, _best

    rng = generator(3)
    here, there = (torch.randn(40, 3, dtype=torch.float64, generator=rng) for _ in range(2))
    there = there + 0.4 * here
    x, y = here - here.mean(0), there - there.mean(0)
    squares, axes = torch.linalg.eigh(x.T @ x / 40)
    found = _best(squares, axes.T @ (x.T @ y / 40), float(y.square().sum() / 40), 40)

    def error(penalty: float) -> float:
        hat = x @ torch.linalg.solve(x.T @ x / 40 + penalty * torch.eye(3, dtype=torch.float64), x.T / 40)
        return float((y - hat @ y).square().sum() / 40 / (1 - (1 + hat.trace()) / 40) ** 2)

    choices = (_PENALTIES * squares.mean()).tolist()
    assert found == min(choices, key=error)
