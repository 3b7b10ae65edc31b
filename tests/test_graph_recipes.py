"""Every graph recipe learns a small world by heart: property 29."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

import pytest
import torch
from torch import Tensor

from recsys_cl.config import load_recipe
from recsys_cl.core.values import Interactions, Shape
from recsys_cl.stages.assemble import assemble
from recsys_cl.training.loop import fit
from recsys_cl.training.plan import Plan
from recsys_cl.training.randomness import seed_globals
from tests.graphs import generator
from tests.shipped import of_family

RECIPES = of_family("graph")
BLOCKS, USERS, ITEMS = 4, 6, 5
LEAST = {
    "softmax": math.log(ITEMS),  # the items a user met share the probability evenly
    "recdcl": -5 * math.log(8),  # no two of its dimensions correlate
    "selfcf": 4 - 4 * math.sqrt(0.5),  # a vector's cosine with itself after half of it was dropped
}

EACH = {"shared": False, "negatives": 32}  # of 20 items drawn for all, a quarter is one's own
ADAPTED = {
    "directau": {"objectives": {"directau": {"gamma": 1.0}}},  # 2 spreads 24 users further than alignment can draw them
    "lightgcn-slatk": {"sampler": EACH},
    "mf-softmax": {"sampler": EACH},
    # its vectors begin a thousandth of this test's steps long, and then stay where the first step has put them
    "simplex": {"sampler": EACH, "encoder": {"dropout": 0.0, "dim": 8, "init": "xavier"}},
    "recdcl": {"encoder": {"dim": 8}},
    "ultragcn": {"sampler": EACH},
}


def blocks() -> Interactions:
    """Four groups of users, each of which met all items of its own group and nothing else."""
    user, item = torch.arange(BLOCKS * USERS), torch.arange(BLOCKS * ITEMS)
    users, items = ((user[:, None] // USERS) == (item // ITEMS)).nonzero().T
    return Interactions(Shape(BLOCKS * USERS, BLOCKS * ITEMS), users, items, torch.zeros_like(users))


@pytest.mark.parametrize("name", RECIPES)
def test_a_small_world_is_learned_by_heart(name: str) -> None:
    data = blocks()
    recipe = load_recipe(name, ADAPTED.get(name, {}))
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
            history.append(terms[main].item() - LEAST.get(name, LEAST.get(main, 0.0)))
    assert history[-1] < 0.1 * history[0]
    users = torch.arange(data.shape.users)
    [(source, _)] = built.feed.inference(users)
    with torch.no_grad():
        found = built.method.encode(source, users)
    best = (found.users @ found.items.T).topk(ITEMS).indices
    assert (best // ITEMS == users[:, None] // USERS).all()


class Ends:
    """A tracker that ends the process, in effect, at an epoch."""

    def __init__(self, epoch: int = 0) -> None:
        self.epoch = epoch

    def note(self, values: Mapping[str, str]) -> None:
        pass

    def log(self, metrics: Mapping[str, float], step: int) -> None:
        if step == self.epoch:
            raise KeyboardInterrupt


@pytest.mark.parametrize("name", ["buir", "lightgcl", "mixgcf", "ncl", "recdcl", "selfcf", "ultragcn"])
def test_what_remembers_goes_on_as_if_never_stopped(name: str, tmp_path: Path) -> None:
    changes = {"method": {"warmup": 1}} if name == "ncl" else ADAPTED.get(name, {})

    def train(folder: Path, ends: int = 0) -> dict[str, Tensor]:
        built = assemble(load_recipe(name, changes), blocks(), seed=1, device=torch.device("cpu"))
        seed_globals(3)
        fit(built.method, built.feed, None, Plan(epochs=4), Ends(ends), generator(2), folder)
        return built.method.module.state_dict()

    whole = train(tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path / "cut", ends=3)
    resumed = train(tmp_path / "cut")
    assert whole.keys() == resumed.keys()
    assert all(torch.equal(value, resumed[key]) for key, value in whole.items())
