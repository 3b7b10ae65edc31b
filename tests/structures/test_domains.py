"""The feed of several domains: each gets its share of every batch, and negatives of its own."""

from __future__ import annotations

import pytest
import torch

from recsys_cl.core.build import build
from recsys_cl.core.errors import Refused
from recsys_cl.core.settings import Component
from recsys_cl.core.values import Interactions, ItemFeatures
from recsys_cl.structures.domains import DomainFeed
from tests.domains import APART, ONE_SHARED, WORLD, belonging, log
from tests.graphs import generator


def feed(met: Interactions, features: ItemFeatures | None, *, sampler: str = "", **settings: object) -> DomainFeed:
    chosen = Component(use="domains", **{"batch_size": 32, **settings})
    drawing = (
        build("samplers", Component(use=sampler, negatives=3), "sampler", shape=WORLD, interactions=met) if sampler else None
    )
    return build("structures", chosen, "source", shape=WORLD, interactions=met, features=features, sampler=drawing)


def test_every_batch_is_half_of_the_one_and_half_of_the_other() -> None:
    for batch in feed(log(), APART).training(generator(1)):
        first = batch.items[batch.positive] < 20
        assert int(first.sum()) * 2 == len(batch.query)


def test_an_epoch_is_every_interaction_of_the_largest_domain_once_and_the_smaller_as_often_as_it_takes() -> None:
    met = log()
    pairs = [
        (int(b.users[q % len(b.users)]), int(b.items[p]))
        for b in feed(met, APART).training(generator(1))
        for q, p in zip(b.query, b.positive, strict=True)
    ]
    edges = set(zip(met.users.tolist(), met.items.tolist(), strict=True))
    large, small = ([pair for pair in pairs if (pair[1] < 20) == first] for first in (True, False))
    assert sorted(large) == sorted(edge for edge in edges if edge[1] < 20)
    counts = [small.count(edge) for edge in edges if edge[1] >= 20]
    assert max(counts) - min(counts) <= 1
    assert min(counts) >= 1


@pytest.mark.parametrize("sampler", ["uniform", "popular"])
def test_negatives_are_of_the_positives_domain_and_never_met(sampler: str) -> None:
    met = log()
    edges = set(zip(met.users.tolist(), met.items.tolist(), strict=True))
    drawn = 0
    for batch in feed(met, APART, sampler=sampler).training(generator(1)):
        positives, negatives = batch.items[batch.positive], batch.items[batch.negative]
        assert ((negatives < 20) == (positives < 20)[:, None]).all()
        users = batch.users[batch.query % len(batch.users)].tolist()
        assert not any((user, item) in edges for user, row in zip(users, negatives.tolist(), strict=True) for item in row)
        drawn += negatives.numel()
    assert drawn


def test_within_a_domain_a_sampler_keeps_its_proportions() -> None:
    nobody = Interactions(WORLD, torch.tensor([0, 0]), torch.tensor([0, 20]), torch.zeros(2, dtype=torch.int64))
    found = torch.zeros(WORLD.items)
    built = feed(nobody, APART, sampler="uniform", overlap=0, batch_size=2)
    for seed in range(4000):
        for batch in built.training(generator(seed)):
            found += torch.bincount(batch.items[batch.negative[1]], minlength=WORLD.items)
    expected = float(found.sum()) / 9
    assert found[:21].sum() == 0
    assert float(((found[21:] - expected) ** 2 / expected).sum()) < 45, "chi-square of 8 degrees, p > 1e-6"


def test_an_item_of_two_domains_counts_in_both() -> None:
    met = log()
    [(source, _)] = feed(met, ONE_SHARED).inference(torch.arange(WORLD.users))
    users, items = source.graph.adjacency.ends()
    mine = {(int(u), int(i)) for u, i in zip(users, items, strict=True)}
    for user in met.users[met.items == 19].tolist():
        assert (int(source.users[0, user]), int(source.items[0, 19])) in mine
        assert (int(source.users[1, user]), int(source.items[1, 19])) in mine


def test_no_edge_joins_two_domains() -> None:
    [(source, _)] = feed(log(), APART).inference(torch.arange(WORLD.users))
    users, items = source.graph.adjacency.ends()
    of_users, of_items = ((numbers >= 0).nonzero()[:, 0] for numbers in (source.users, source.items))
    assert torch.equal(of_users[users], of_items[items])


def test_a_node_is_somebody_whom_the_domain_knows_and_nobody_else() -> None:
    met = log()
    [(source, _)] = feed(met, APART).inference(torch.arange(WORLD.users))
    users, _ = source.graph.adjacency.ends()
    assert torch.equal(users.unique(), torch.arange(source.graph.shape.users)), "everyone there met something"
    assert torch.equal(source.users >= 0, source.seen)
    assert not source.seen[0, 10:20].any()


def test_the_seed_is_the_epoch() -> None:
    one, same, other = ([b.positive.tolist() for b in feed(log(), APART).training(generator(seed))] for seed in (1, 1, 2))
    assert one == same
    assert one != other


@pytest.mark.parametrize(
    ("features", "settings", "told"),
    [
        (None, {}, r"source\.by: .*'domain'.*\[prepare\.features\]"),
        (APART, {"by": "shop"}, r"source\.by: .*'shop'"),
        (APART, {"overlap": 100}, r"source\.overlap: 17 users and 0 items"),
        (belonging(tuple(range(29)), (29,)), {}, r"source\.by: nobody met an item of domain 1"),
    ],
)
def test_what_carries_nothing_over_is_refused_by_key(features: ItemFeatures | None, settings: dict, told: str) -> None:
    met = log()
    kept = met.items != 29
    with pytest.raises(Refused, match=told):
        feed(Interactions(WORLD, met.users[kept], met.items[kept], met.times[kept]), features, **settings)


def test_people_who_met_a_whole_domain_leave_no_negatives_and_are_refused() -> None:
    everything = torch.arange(20, 30)
    met = Interactions(
        WORLD, torch.tensor([1] + [0] * 10), torch.cat((torch.tensor([0]), everything)), torch.zeros(11, dtype=torch.int64)
    )
    with pytest.raises(Refused, match="there is no negative left"):
        list(feed(met, APART, sampler="uniform", overlap=0).training(generator(1)))


@pytest.mark.parametrize(
    ("sampler", "told"),
    [
        (
            build("samplers", Component(use="uniform", shared=True), "sampler", shape=WORLD, interactions=log()),
            "sampler.shared",
        ),
        (object(), "draws from no part alone"),
    ],
)
def test_samplers_that_know_no_part_are_refused(sampler: object, told: str) -> None:
    with pytest.raises(Refused, match=told):
        DomainFeed(WORLD, log(), APART, sampler)


def test_a_query_asks_with_what_its_own_domain_knows_of_the_user() -> None:
    for batch in feed(log(), APART).training(generator(1)):
        domain = (batch.items[batch.positive] >= 20).long()
        assert torch.equal(batch.query // len(batch.users), domain)


def test_where_items_are_shared_a_user_is_one_row() -> None:
    for batch in feed(log(), ONE_SHARED).training(generator(1)):
        assert int(batch.query.max()) < len(batch.users)
        assert not batch.source.apart
