"""Every cross-domain recipe finds what people in common like in the other domain, and learns nothing from a control."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from recsys_cl.config import load_recipe
from recsys_cl.core.values import Interactions, ItemFeatures, Modality, Shape
from recsys_cl.stages.assemble import Assembly, assemble
from tests.graphs import generator

TASTES, USERS, ITEMS = 3, 24, 8
"""Tastes, people of each taste, and items of each taste in either domain."""
NEWCOMERS = 6
"""Of each taste so many people are known in the first domain only; all others in both."""


def tastes(*, alike: bool) -> tuple[Tensor, Tensor]:
    """What everybody likes in the first domain and in the second."""
    first = torch.arange(TASTES * USERS) // USERS
    return first, first if alike else torch.randint(TASTES, (len(first),), generator=generator(8))


def world(*, alike: bool) -> Interactions:
    """Everybody met five of the eight items of their taste in each domain, newcomers in the first domain only."""
    rng, pairs = generator(5), []
    for domain, likes in enumerate(tastes(alike=alike)):
        for user, taste in enumerate(likes.tolist()):
            if domain == 0 or user % USERS >= NEWCOMERS:
                start = (domain * TASTES + taste) * ITEMS
                pairs += [(user, start + place) for place in torch.randperm(ITEMS, generator=rng)[:5].tolist()]
    columns = torch.tensor(pairs)
    return Interactions(
        Shape(TASTES * USERS, 2 * TASTES * ITEMS), columns[:, 0], columns[:, 1], torch.zeros(len(pairs), dtype=torch.int64)
    )


def domains() -> ItemFeatures:
    of = torch.arange(2 * TASTES * ITEMS) // (TASTES * ITEMS)
    return ItemFeatures({"domain": Modality(torch.nn.functional.one_hot(of).float(), torch.ones(len(of), dtype=torch.bool))})


def trained(name: str, *, alike: bool) -> Assembly:
    small = {"source": {"batch_size": 256}, "sampler": {"negatives": 4}, "encoder": {"dim": 16}}
    built = assemble(load_recipe(name, small), world(alike=alike), seed=1, device=torch.device("cpu"), features=domains())
    optimizer, rng = torch.optim.Adam(built.method.module.parameters(), lr=0.03), generator(2)
    for _ in range(25):
        for batch in built.feed.training(rng):
            optimizer.zero_grad()
            torch.stack(list(built.method.losses(batch, rng).values())).sum().backward()
            optimizer.step()
    built.method.module.eval()
    return built


def found(built: Assembly, *, alike: bool) -> float:
    """The share of a newcomer's first eight items of the second domain that is of their taste there."""
    users = torch.arange(TASTES * USERS)
    newcomers = users[users % USERS < NEWCOMERS]
    [(source, _)] = built.feed.inference(users)
    with torch.no_grad():
        encoding = built.method.encode(source, newcomers)
    scores = encoding.users @ encoding.items[TASTES * ITEMS :].T
    best = scores.topk(ITEMS).indices // ITEMS
    return float((best == tastes(alike=alike)[1][newcomers][:, None]).float().mean())


@pytest.mark.slow
@pytest.mark.parametrize("name", ["cross-domain-nce", "emcdr", "pooled", "cdrib-style"])
def test_newcomers_get_what_they_like_elsewhere(name: str) -> None:
    assert found(trained(name, alike=True), alike=True) > 0.9


@pytest.mark.slow
def test_by_itself_a_domain_knows_nothing_of_newcomers() -> None:
    assert found(trained("target-only", alike=True), alike=True) < 0.5, "one taste in three"


@pytest.mark.slow
@pytest.mark.parametrize("name", ["cross-domain-nce", "emcdr"])
def test_where_tastes_have_nothing_to_do_with_each_other_nothing_is_carried_over(name: str) -> None:
    assert found(trained(name, alike=False), alike=False) < 0.55
