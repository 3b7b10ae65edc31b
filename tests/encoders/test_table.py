"""A spectral start is the best approximation of who met whom, and leaves the rest as it would be without."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from recsys_cl.config import load_recipe
from recsys_cl.core.chance import generator as seeded
from recsys_cl.core.errors import Refused
from recsys_cl.core.values import Interactions, Shape
from recsys_cl.encoders._table import Start, spectral, table
from recsys_cl.encoders.lightgcn import LightGCN
from recsys_cl.encoders.mf import MatrixFactorisation
from recsys_cl.ops.adjacency import connect
from recsys_cl.stages.assemble import assemble
from tests.graphs import dense, generator, pairs

SHAPE = Shape(users=30, items=22)  # the last user and the last item met nobody


def known(count: int = 220) -> Interactions:
    users, items = pairs(3, count, Shape(SHAPE.users - 1, SHAPE.items - 1))
    return Interactions(SHAPE, users, items, torch.zeros_like(users))


def laid_over(dim: int, seed: int = 1) -> Tensor:
    """What the spectrum adds to the table [U + I, dim] that would be there without it."""
    return (spectral(known(), dim, generator(seed)) - table(SHAPE, dim, "xavier", generator(seed))).detach().double()


@pytest.mark.parametrize("dim", [1, 4, 9])
def test_its_dot_products_are_the_best_of_their_rank(dim: int) -> None:
    found = laid_over(dim)
    scores = found[: SHAPE.users] @ found[SHAPE.users :].T
    block = dense(connect(SHAPE, known().users, known().items, dtype=torch.float64))[: SHAPE.users, SHAPE.users :]
    left, values, right = torch.linalg.svd(block)
    best = left[:, :dim] * values[:dim] @ right[:dim]
    assert torch.allclose(scores / scores.norm(), best / best.norm(), rtol=0, atol=0.02)  # the range is found at random


def test_it_has_the_deviation_of_a_normal_start() -> None:
    assert laid_over(6).square().mean().sqrt().item() == pytest.approx(0.1, rel=1e-4)


def test_who_met_nobody_and_what_is_beyond_the_rank_begin_as_ever() -> None:
    found = laid_over(40)
    assert not found[[SHAPE.users - 1, SHAPE.users + SHAPE.items - 1]].abs().gt(1e-6).any()
    assert not found[:, SHAPE.items :].any()
    assert found[:, : SHAPE.items - 1].abs().sum(0).gt(0).all()


@pytest.mark.parametrize("use", ["mf", "lightgcn"])
def test_a_recipe_begins_there(use: str) -> None:
    recipe = load_recipe("mf-softmax", {"encoder": {"use": use, "dim": 4, "init": "spectral"}})
    begun = dict(assemble(recipe, known(), seed=1, device=torch.device("cpu")).method.module.named_parameters())
    expected = spectral(known(), 4, seeded(1, "initialisation", "encoder"))
    assert torch.equal(begun["encoder.table"], expected)


def test_without_interactions_it_is_refused() -> None:
    with pytest.raises(Refused, match=r"encoder\.init: 'spectral' needs the interactions"):
        LightGCN(SHAPE, generator(), init="spectral")


@pytest.mark.parametrize("make", [MatrixFactorisation, LightGCN])
@pytest.mark.parametrize("init", ["xavier", "spectral"])
def test_every_start_can_be_longer(make: type[LightGCN], init: Start) -> None:
    plain, longer = (make(SHAPE, generator(), dim=4, init=init, init_scale=by, interactions=known()) for by in (1.0, 2.5))
    assert torch.equal(longer.table, 2.5 * plain.table)
    assert longer.table.requires_grad
