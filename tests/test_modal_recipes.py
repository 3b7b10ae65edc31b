"""Every multimodal recipe learns a small world by heart, and knows new items by what they look like."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from recsys_cl.config import load_recipe, recipe_names
from recsys_cl.core.errors import Refused
from recsys_cl.core.values import Interactions, ItemFeatures, Modality, Shape
from recsys_cl.stages.assemble import Assembly, assemble
from tests.graphs import generator
from tests.test_graph_recipes import BLOCKS, ITEMS, USERS, blocks

RECIPES = [name for name in recipe_names() if load_recipe(name).family == "multimodal"]
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
    met = {"sampler": {"use": "popular", "alpha": 0.0, "negatives": 8}}  # among items that somebody met
    built = assemble(load_recipe(name, met, changes or {}), world(), seed=1, device=torch.device("cpu"), features=content())
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
    cold = found[:, BLOCKS * ITEMS :].topk(COLD).indices + BLOCKS * ITEMS
    assert (block[cold] == users[:, None]).float().mean() > 0.95


def test_without_features_the_recipe_is_refused_by_the_table_that_declares_them() -> None:
    with pytest.raises(Refused, match=r"\[prepare\.features\]"):
        assemble(load_recipe("vbpr"), blocks(), seed=1, device=torch.device("cpu"))
