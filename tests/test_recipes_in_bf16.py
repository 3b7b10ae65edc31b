"""Every recipe that learns can take a step in mixed precision, in which its losses are finite and fp32."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from recsys_cl.config import load_recipe
from recsys_cl.core.values import ItemFeatures, Modality
from recsys_cl.stages.assemble import assemble
from recsys_cl.training.precision import Bfloat16
from tests.graphs import features, generator
from tests.shipped import SHIPPED
from tests.test_graph_recipes import blocks

LEARNING = [name for name, recipe in SHIPPED.items() if recipe.training.epochs]


@pytest.mark.parametrize("name", LEARNING)
def test_a_step_in_bfloat16_is_finite_and_near_the_exact_one(name: str) -> None:
    data, terms = blocks(), []
    half = (torch.arange(data.shape.items) % 2).bool()
    domain = Modality(torch.stack((half, ~half), 1).float(), torch.ones_like(half))
    known = ItemFeatures({**features(shape=data.shape).modalities, "domain": domain})
    data = replace(data, behaviours={"view": data.items >= 0, "buy": half[data.items]})
    for wrap in (lambda method: method, Bfloat16):
        built = assemble(load_recipe(name), data, seed=1, device=torch.device("cpu"), features=known)
        method, rng = wrap(built.method), generator(2)
        torch.manual_seed(3)
        found = method.losses(next(built.feed.training(rng)), rng)
        torch.stack(list(found.values())).sum().backward()
        assert {value.dtype for value in found.values()} == {torch.float32}
        assert all(weight.grad is None or weight.grad.isfinite().all() for weight in built.method.module.parameters())
        terms.append(torch.stack(list(found.values())).sum().item())
    assert terms[1] == pytest.approx(terms[0], rel=0.02)
