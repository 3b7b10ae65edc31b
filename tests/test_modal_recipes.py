"""Every multimodal recipe learns a small world by heart, and knows new items by what they look like."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from recsys_cl.config import load_recipe
from recsys_cl.core.errors import Refused
from recsys_cl.core.values import Interactions, ItemFeatures, Modality, Shape
from recsys_cl.stages.assemble import Assembly, assemble
from recsys_cl.stages.verdict import load_weights
from recsys_cl.training.weights import save_weights
from tests.graphs import generator
from tests.shipped import of_family
from tests.test_graph_recipes import BLOCKS, ITEMS, USERS, blocks

RECIPES = of_family("multimodal")
BY_IDS_ALONE = {"bm3"}  # content moves its loss and no vector
COLD = 2
"""Items of each block that nobody has met."""


def world() -> Interactions:
    """The four blocks, and behind their items two of each block that nobody met."""
    known = blocks()
    return Interactions(Shape(known.shape.users, BLOCKS * (ITEMS + COLD)), known.users, known.items, known.times)


def block_of() -> Tensor:
    return torch.cat((torch.arange(BLOCKS * ITEMS) // ITEMS, torch.arange(BLOCKS * COLD) // COLD))


def content() -> ItemFeatures:
    """The block in two noisy ways, one of which a third of the items lack."""
    block, rng = block_of(), generator(4)
    made = {}
    for name, width, lacking in (("image", 8, 0.0), ("audio", 6, 0.3)):
        centres = torch.randn(BLOCKS, width, generator=rng)
        values = centres[block] + 0.1 * torch.randn(len(block), width, generator=rng)
        present = torch.rand(len(block), generator=rng) >= lacking
        made[name] = Modality(values * present[:, None], present)
    return ItemFeatures(made)


def trained(name: str, changes: dict | None = None) -> Assembly:
    recipe = load_recipe(name)
    many = {"sampler": {"use": "uniform", "negatives": 8}} if recipe.sampler else {}
    built = assemble(load_recipe(name, many, changes or {}), world(), seed=1, device=torch.device("cpu"), features=content())
    optimizer, rng = torch.optim.Adam(built.method.module.parameters(), lr=0.03), generator(2)
    for _ in range(80):
        for batch in built.feed.training(rng):
            optimizer.zero_grad()
            torch.stack(list(built.method.losses(batch, rng).values())).sum().backward()
            optimizer.step()
    return built


def scores(built: Assembly) -> Tensor:
    users = torch.arange(BLOCKS * USERS)
    [(source, _)] = built.feed.inference(users)
    with torch.no_grad():
        found = built.method.encode(source, users)
    return found.users @ found.items.T


@pytest.mark.slow
@pytest.mark.parametrize("name", RECIPES)
def test_met_items_are_learned_and_cold_ones_recognised(name: str) -> None:
    found = scores(trained(name))
    users, block = torch.arange(BLOCKS * USERS) // USERS, block_of()
    best = found[:, : BLOCKS * ITEMS].topk(ITEMS).indices
    assert (block[best] == users[:, None]).all()
    if name in BY_IDS_ALONE:
        return
    cold = found[:, BLOCKS * ITEMS :].topk(COLD).indices + BLOCKS * ITEMS
    assert (block[cold] == users[:, None]).float().mean() > 0.95


@pytest.mark.slow
@pytest.mark.parametrize("name", ["mf-bpr", "lightgcn", "xsimgcl", "lightgcn-softmax", "popular", "item-knn", "ease"])
def test_recipes_that_know_ids_alone_put_items_that_nobody_met_behind_those_that_somebody_did(name: str) -> None:
    built = trained(name) if load_recipe(name).training.epochs else assemble_only(name)
    found = scores(built)
    users, block = torch.arange(BLOCKS * USERS) // USERS, block_of()
    best = found.topk(ITEMS).indices
    assert (best < BLOCKS * ITEMS).all()
    if name != "popular":
        assert (block[best] == users[:, None]).all()


def assemble_only(name: str) -> Assembly:
    return assemble(load_recipe(name), world(), seed=1, device=torch.device("cpu"), features=content())


def test_an_item_met_after_training_still_counts_by_its_content(tmp_path: Path) -> None:
    changes = {"encoder": {"layers": 0}}
    early, known = assemble(load_recipe("mmgcl", changes), world(), 1, torch.device("cpu"), content()), world()
    save_weights(early.method.module, tmp_path / "weights.safetensors")
    new = known.shape.items - 1
    more = Interactions(
        known.shape,
        torch.cat((known.users, torch.tensor([0]))),
        torch.cat((known.items, torch.tensor([new]))),
        known.times.new_zeros(len(known) + 1),
    )
    late = assemble(load_recipe("mmgcl", changes), more, 2, torch.device("cpu"), content())
    load_weights(late.method, tmp_path / "weights.safetensors")
    [(before, users)], [(after, _)] = early.feed.inference(torch.arange(3)), late.feed.inference(torch.arange(3))
    assert after.own[new]
    assert not before.own[new]
    assert torch.equal(late.method.encode(after, users).items[new], early.method.encode(before, users).items[new])


def test_without_features_the_recipe_is_refused_by_the_table_that_declares_them() -> None:
    with pytest.raises(Refused, match=r"\[prepare\.features\]"):
        assemble(load_recipe("vbpr"), blocks(), seed=1, device=torch.device("cpu"))


@pytest.mark.slow
def test_content_that_makes_items_long_does_not_send_adaptation_astray() -> None:
    """At this rate each inner step overshot by more than the one before: users' vectors grew to tens of thousands."""
    built = trained("meta-content", {"method": {"inner_rate": 0.5, "learn_rate": False}})
    right, block = torch.zeros(BLOCKS * USERS), block_of()
    for source, users in built.feed.inference(torch.arange(BLOCKS * USERS)):
        with torch.no_grad():
            found = built.method.encode(source, users)
        assert found.users.norm(dim=1).max() < 100
        best = (found.users @ found.items[: BLOCKS * ITEMS].T).topk(ITEMS).indices
        right[users] = (block[best] == users[:, None] // USERS).float().mean(1)
    assert right.mean() > 0.5, "by chance it is a quarter"
