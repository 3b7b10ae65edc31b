"""The inner loop gives the meta-gradients of closed forms and of a loop over tasks."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from recsys_cl.ops.adapt import adapt
from recsys_cl.ops.softmax import softmax
from tests.graphs import generator

DIM, TASKS = 3, 4


def drawn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=generator(seed))


def quadratic(weights: dict[str, Tensor], centre: Tensor) -> Tensor:
    """Steeper along some coordinates than along others."""
    return ((weights["w"] - centre).square() * torch.tensor([0.5, 1.0, 2.0])).sum() / 2


def regression(weights: dict[str, Tensor], inputs: Tensor, outputs: Tensor) -> Tensor:
    return (inputs @ weights["w"] - outputs).square().mean() / 2


@pytest.mark.parametrize("steps", [1, 2, 5])
@pytest.mark.parametrize("first_order", [False, True])
def test_the_meta_gradient_of_a_quadratic_task_is_its_closed_form(steps: int, *, first_order: bool) -> None:
    start, centres, wanted, rate = drawn(DIM).requires_grad_(), drawn(TASKS, DIM, seed=1), drawn(TASKS, DIM, seed=2), 0.3
    found = adapt(quadratic, {"w": start}, (centres,), rate=rate, steps=steps, first_order=first_order)
    left = (1 - rate * torch.tensor([0.5, 1.0, 2.0], dtype=torch.float64)) ** steps  # of the way to the centre
    ended = centres + left * (start - centres)
    torch.testing.assert_close(found.weights["w"], ended)
    ((found.weights["w"] - wanted).square().sum() / 2).backward()
    slope = (ended.detach() - wanted) * (1 if first_order else left)
    assert start.grad is not None
    torch.testing.assert_close(start.grad, slope.sum(0))


def test_the_meta_gradient_of_linear_regression_is_its_closed_form() -> None:
    start, rate, steps = drawn(DIM).requires_grad_(), 0.1, 4
    inputs, outputs, asked = drawn(TASKS, 5, DIM, seed=1), drawn(TASKS, 5, seed=2), drawn(TASKS, DIM, seed=3)
    found = adapt(regression, {"w": start}, (inputs, outputs), rate=rate, steps=steps)
    (found.weights["w"] * asked).sum().backward()
    expected = torch.zeros(DIM, dtype=torch.float64)
    for design, target, wish, ended in zip(inputs, outputs, asked, found.weights["w"].detach(), strict=True):
        curvature, pull = design.T @ design / 5, design.T @ target / 5
        passes = torch.linalg.matrix_power(torch.eye(DIM, dtype=torch.float64) - rate * curvature, steps)
        best = torch.linalg.solve(curvature, pull)
        torch.testing.assert_close(ended, best + passes @ (start.detach() - best))
        expected += passes.T @ wish
    assert start.grad is not None
    torch.testing.assert_close(start.grad, expected)


def test_the_meta_gradient_is_that_of_finite_differences_also_by_what_all_tasks_share() -> None:
    asks, answers = drawn(TASKS, 2, DIM, seed=1), torch.tensor([[0, 3], [1, 1], [4, 2], [2, 0]])

    def outer(start: Tensor, items: Tensor) -> Tensor:
        def loss(weights: dict[str, Tensor], states: Tensor, met: Tensor) -> Tensor:
            return softmax(states + weights["shift"], items, met, temperature=0.7, similarity="cosine")

        found = adapt(loss, {"shift": start}, (asks, answers), rate=0.5, steps=3)
        return found.weights["shift"].tanh().sum()

    given_ = (drawn(DIM).requires_grad_(), drawn(5, DIM, seed=4).requires_grad_())
    assert torch.autograd.gradcheck(outer, given_, eps=1e-6, atol=1e-7)


@settings(deadline=None, max_examples=25)
@given(count=st.integers(1, 6), steps=st.integers(0, 4), seed=st.integers(0, 99))
def test_a_batch_of_tasks_is_a_loop_over_them(count: int, steps: int, seed: int) -> None:
    start, centres = {"w": drawn(DIM, seed=seed)}, drawn(count, DIM, seed=seed + 1)
    together = adapt(quadratic, start, (centres,), rate=0.2, steps=steps)
    for task in range(count):
        weights = start["w"].clone().requires_grad_()
        for _ in range(steps):
            (slope,) = torch.autograd.grad(quadratic({"w": weights}, centres[task]), weights)
            weights = (weights - 0.2 * slope).detach().requires_grad_()
        torch.testing.assert_close(together.weights["w"][task], weights.detach())
    assert together.steps.tolist() == [steps] * count


@pytest.mark.parametrize("way", [{"rate": 0.0, "steps": 3}, {"rate": 0.1, "steps": 0}])
def test_a_rate_or_a_budget_of_nothing_is_the_identity(way: dict[str, Any]) -> None:
    start = drawn(DIM)
    found = adapt(quadratic, {"w": start}, (drawn(TASKS, DIM, seed=1),), **way)
    assert torch.equal(found.weights["w"], start.expand(TASKS, DIM))


def test_who_is_near_enough_takes_no_more_steps() -> None:
    centres = torch.tensor([[0.0, 0, 0], [4, 0, 0], [0.1, 0, 0]], dtype=torch.float64)
    start = {"w": torch.zeros(3, dtype=torch.float64)}
    found = adapt(quadratic, start, (centres,), rate=1.0, steps=20, tolerance=0.1)
    # Along the first coordinate each step halves the way that is left, and the gradient is half of it.
    assert found.steps.tolist() == [0, 5, 0]
    assert found.weights["w"][1, 0] == 4 * (1 - 0.5**5)
    assert found.weights["w"][2].tolist() == [0, 0, 0]


def test_a_gradient_longer_than_the_longest_is_shortened_to_it_and_a_shorter_one_is_left_alone() -> None:
    centres = torch.tensor([[8.0, 0, 0], [0.2, 0, 0]], dtype=torch.float64)
    found = adapt(quadratic, {"w": torch.zeros(3, dtype=torch.float64)}, (centres,), rate=0.5, steps=2, longest=1.0)
    assert found.weights["w"][0].tolist() == [1.0, 0, 0]  # twice half a step of length 1, where the slope is 4 and more
    plain = adapt(quadratic, {"w": torch.zeros(3, dtype=torch.float64)}, (centres,), rate=0.5, steps=2)
    torch.testing.assert_close(found.weights["w"][1], plain.weights["w"][1])


def test_a_rate_too_large_for_the_slope_runs_away_unless_slopes_are_bounded() -> None:
    """What happened to items with long vectors: every step overshoots by more than the one before."""
    start, centres = {"w": torch.zeros(3, dtype=torch.float64)}, torch.ones(1, 3, dtype=torch.float64)
    plain = adapt(quadratic, start, (centres,), rate=5.0, steps=20).weights["w"]
    assert plain.norm() > 1e6
    bounded = adapt(quadratic, start, (centres,), rate=5.0, steps=20, longest=0.1).weights["w"]
    assert (bounded - centres).norm() < centres.norm()


@pytest.mark.parametrize("longest", [0.3, 100.0])
def test_the_rate_may_be_learned_and_its_gradient_is_that_of_finite_differences(longest: float) -> None:
    centres = drawn(TASKS, DIM, seed=1)

    def outer(start: Tensor, rate: Tensor) -> Tensor:
        return adapt(quadratic, {"w": start}, (centres,), rate=rate, steps=3, longest=longest).weights["w"].tanh().sum()

    given_ = (drawn(DIM).requires_grad_(), torch.tensor(0.3, dtype=torch.float64, requires_grad=True))
    assert torch.autograd.gradcheck(outer, given_, eps=1e-6, atol=1e-7)
