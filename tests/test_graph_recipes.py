"""Every graph recipe learns a small world by heart: property 29."""

from __future__ import annotations

import math

import pytest
import torch

from recsys_cl.config import load_recipe, recipe_names
from recsys_cl.core.values import Interactions, Shape
from recsys_cl.stages.assemble import assemble
from tests.graphs import generator

RECIPES = [name for name in recipe_names() if load_recipe(name).source.use == "graph"]
BLOCKS, USERS, ITEMS = 4, 6, 5
LEAST = {"softmax": math.log(ITEMS)}  # the items a user met share the probability evenly


def blocks() -> Interactions:
    """Four groups of users, each of which met all items of its own group and nothing else."""
    user, item = torch.arange(BLOCKS * USERS), torch.arange(BLOCKS * ITEMS)
    users, items = ((user[:, None] // USERS) == (item // ITEMS)).nonzero().T
    return Interactions(Shape(BLOCKS * USERS, BLOCKS * ITEMS), users, items, torch.zeros_like(users))


@pytest.mark.parametrize("name", RECIPES)
def test_a_small_world_is_learned_by_heart(name: str) -> None:
    data = blocks()
    recipe = load_recipe(name)
    main = next(iter(recipe.objectives))
    built = assemble(recipe, data, seed=1, device=torch.device("cpu"))
    optimizer = torch.optim.Adam(built.method.module.parameters(), lr=0.05)
    rng, history = generator(2), []
    for _ in range(150):
        for batch in built.feed.training(rng):
            terms = built.method.losses(batch, rng)
            optimizer.zero_grad()
            sum(terms.values()).backward()
            optimizer.step()
            history.append(terms[main].item() - LEAST.get(main, 0.0))
    assert history[-1] < 0.1 * history[0]
    users = torch.arange(data.shape.users)
    [(source, _)] = built.feed.inference(users)
    with torch.no_grad():
        found = built.method.encode(source, users)
    best = (found.users @ found.items.T).topk(ITEMS).indices
    assert (best // ITEMS == users[:, None] // USERS).all()
