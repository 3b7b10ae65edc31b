"""EGCF and SimpleX against dense matrices and loops; gradients to 1e-9; what they cannot do they refuse."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import pytest
import torch
from torch import Tensor, nn

from recsys_cl.core.errors import Refused
from recsys_cl.core.values import Shape
from recsys_cl.encoders.egcf import EGCF
from recsys_cl.encoders.lightgcn import LightGCN
from recsys_cl.encoders.mf import MatrixFactorisation
from recsys_cl.encoders.simplex import SimpleX
from recsys_cl.ops.carry import carry
from recsys_cl.ops.dropout import InputDropout
from recsys_cl.ops.low_rank import factorise
from recsys_cl.ops.noise import LayerNoise
from recsys_cl.structures.graph import Graph
from tests.graphs import SHAPE, dense, disordered, generator, graph

USERS, ITEMS = torch.tensor([5, 1, 6, 0]), torch.tensor([3, 0, 4])
REQUESTS = {
    "layer_noise": {"noise": LayerNoise(0.1, 1)},
    "embedding_dropout": {"dropout": InputDropout(0.1, 1)},
    "svd": {"low_rank": factorise(graph().adjacency, 2, generator())},
    "random_walk": {"walk": (graph().adjacency,)},
}


def block() -> Tensor:
    """Users by items of the normalised adjacency, [U, I]."""
    return dense(graph().adjacency)[: SHAPE.users, SHAPE.users :]


def slow_egcf(table: Tensor, layers: int, aggregate: str) -> tuple[Tensor, Tensor]:
    matrix, items = block(), table
    users, total = (matrix @ items).tanh(), []
    for layer in range(layers):
        if aggregate == "parallel":
            users, items = (matrix @ items).tanh(), (matrix.T @ users).tanh()
        else:
            users = users if layer == 0 else (matrix @ items).tanh()
            items = (matrix.T @ users).tanh()
        total.append((users, items))
    return sum(u for u, _ in total), sum(i for _, i in total)


@pytest.mark.parametrize("made", [graph, disordered])
@pytest.mark.parametrize("aggregate", ["parallel", "alternate"])
@pytest.mark.parametrize("layers", [1, 3])
def test_egcf_is_its_definition(aggregate: str, layers: int, made: Callable[[], Graph]) -> None:
    module = EGCF(SHAPE, generator(1), dim=4, layers=layers, aggregate=aggregate).double()
    table = module.table.detach().clone().requires_grad_()
    [found] = module([made()], USERS, ITEMS)
    users, items = slow_egcf(table, layers, aggregate)
    weights = torch.randn(4, 3, dtype=torch.float64, generator=generator(2))
    for one, other in ((found.users, users[USERS]), (found.items, items[ITEMS])):
        assert torch.allclose(one, other, rtol=0, atol=1e-9)
    (weights * (found.users @ found.items.T)).sum().backward()
    (weights * (users[USERS] @ items[ITEMS].T)).sum().backward()
    assert torch.allclose(module.table.grad, table.grad, rtol=0, atol=1e-9)
    assert torch.equal(found.layers[0].users, torch.zeros(4, 4, dtype=torch.float64))
    assert torch.equal(found.layers[0].items, module.table[ITEMS])


def test_a_carried_product_has_the_transposed_one_as_gradient() -> None:
    by_user, by_item = graph().adjacency.sides()
    table = torch.randn(SHAPE.items, 3, dtype=torch.float64, generator=generator(3)).requires_grad_()
    assert torch.allclose(carry(by_user, by_item, table), block() @ table, atol=1e-12)
    assert torch.autograd.gradcheck(lambda values: carry(by_user, by_item, values), (table,))


@pytest.mark.parametrize("made", [graph, disordered])
def test_simplex_mixes_a_user_with_the_items_met(made: Callable[[], Graph]) -> None:
    module = SimpleX(SHAPE, generator(1), dim=4, share=0.3, init="normal").double()
    module.eval()
    [found] = module([made()], USERS, ITEMS)
    own, catalogue = module.table[: SHAPE.users], module.table[SHAPE.users :]
    for row, user in zip(found.users, USERS.tolist(), strict=True):
        met = [item for u, item in zip(*(end.tolist() for end in graph().adjacency.ends()), strict=True) if u == user]
        mean = sum(catalogue[item] for item in met) / len(met) if met else torch.zeros(4, dtype=torch.float64)
        assert torch.allclose(row, 0.3 * own[user] + 0.7 * module.mixed(mean), rtol=0, atol=1e-12)
    assert torch.equal(found.items, catalogue[ITEMS])


@pytest.mark.parametrize("make", [partial(SimpleX, share=1.0), MatrixFactorisation], ids=["simplex", "mf"])
def test_users_are_dropped_only_while_training_and_items_never(make: Callable[..., nn.Module]) -> None:
    torch.manual_seed(1)
    module = make(Shape(7, 5), generator(1), dim=64, dropout=0.5)
    [loud], [quiet] = module([graph()], USERS), module.eval()([graph()], USERS)
    assert torch.equal(quiet.users, module.table[USERS])
    assert (loud.users == 0).float().mean() == pytest.approx(0.5, abs=0.15)
    assert torch.equal(loud.items, quiet.items)
    assert torch.equal(loud.layers[0].users, quiet.users)


@pytest.mark.parametrize("view", REQUESTS)
@pytest.mark.parametrize("make", [EGCF, SimpleX])
def test_a_request_that_cannot_be_honoured_is_refused(make: type[EGCF], view: str) -> None:
    module = make(SHAPE, generator(1), dim=4)
    with pytest.raises(Refused, match=view):
        module([replace(graph(), **REQUESTS[view])], USERS, ITEMS)


def test_a_sum_of_layers_is_as_many_means() -> None:
    mean, total = (LightGCN(SHAPE, generator(1), dim=4, layers=2, combine=how).double() for how in ("mean", "sum"))
    [one], [other] = mean([graph()], USERS), total([graph()], USERS)
    assert torch.allclose(3 * one.users, other.users, atol=1e-12)


def test_simplex_takes_no_age_into_account_and_says_so() -> None:
    with pytest.raises(Refused, match=r"source\.recency"):
        SimpleX(SHAPE, generator(1), dim=4)([replace(graph(), recency=1.0)], USERS)
