"""Layer norm is torch's, and its slopes by weights of a task's own can be differentiated."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.func import functional_call, grad, vmap

from recsys_cl.ops.norm import LayerNorm
from recsys_cl.ops.twice import twice_differentiable
from tests.graphs import generator


def drawn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=generator(seed))


def test_it_is_torchs_in_both_ways() -> None:
    ours, theirs, states = LayerNorm(4).double(), nn.LayerNorm(4).double(), drawn(3, 5, 4)
    weights = {"weight": drawn(4, seed=1), "bias": drawn(4, seed=2)}
    ours.load_state_dict(weights)
    theirs.load_state_dict(weights)
    assert torch.equal(ours(states), theirs(states))
    with twice_differentiable():
        torch.testing.assert_close(ours(states), theirs(states))


def test_a_step_by_each_tasks_own_weight_has_the_slopes_of_finite_differences() -> None:
    norm, tasks = LayerNorm(4).double(), drawn(3, 5, 4, seed=3)

    def stepped(states: Tensor, weight: Tensor) -> Tensor:
        def loss(own: Tensor, task: Tensor) -> Tensor:
            said: Tensor = functional_call(norm, {"weight": own}, (states + task,))
            return said.tanh().sum()

        with twice_differentiable():
            own = weight.expand(3, -1)
            return (own - 0.3 * vmap(grad(loss))(own, tasks)).tanh().sum()

    assert torch.autograd.gradcheck(stepped, (drawn(5, 4).requires_grad_(), drawn(4, seed=1).requires_grad_()))
