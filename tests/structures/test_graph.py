"""The graph feed: every interaction once an epoch, rows that point home, one Graph an epoch."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
import torch
from torch import Generator, Tensor

from recsys_cl.core.build import build
from recsys_cl.core.errors import Refused
from recsys_cl.core.settings import Component
from recsys_cl.core.values import Interactions, Shape
from recsys_cl.structures.graph import GraphFeed
from tests.graphs import generator, interactions

SHAPE = Shape(users=40, items=30)
LOG = interactions(count=300, shape=SHAPE)


class Drawn:
    """A sampler that keeps what it drew."""

    def __init__(self, negatives: int, *, shared: bool = False) -> None:
        self.negatives, self.shared = negatives, shared
        self.calls: list[tuple[Tensor, Tensor]] = []

    def __call__(self, users: Tensor, rng: Generator) -> Tensor:
        size = (self.negatives,) if self.shared else (users.numel(), self.negatives)
        self.calls.append((users, torch.randint(SHAPE.items, size, generator=rng)))
        return self.calls[-1][1]

    def log_q(self, items: Tensor) -> Tensor:
        return -items.double()


def feed(sampler: Drawn | None = None, batch_size: int = 32) -> GraphFeed:
    return build(
        "structures", Component(use="graph", batch_size=batch_size), "source", shape=SHAPE, interactions=LOG, sampler=sampler
    )


def edges() -> list[tuple[int, int]]:
    return sorted(set(zip(LOG.users.tolist(), LOG.items.tolist(), strict=True)))


def test_an_epoch_is_every_distinct_interaction_once() -> None:
    built = feed()
    batches = list(built.training(generator(1)))
    met = [
        (int(batch.users[query]), int(batch.items[row]))
        for batch in batches
        for query, row in zip(batch.query, batch.positive, strict=True)
    ]
    assert sorted(met) == edges()
    assert met != edges()
    assert len(batches) == built.steps
    assert [len(batch.query) for batch in batches[:-1]] == [32] * (built.steps - 1)


def test_ids_are_distinct_and_positives_come_first() -> None:
    for batch in feed(Drawn(3)).training(generator(1)):
        assert batch.users.unique().numel() == batch.users.numel()
        assert batch.items.unique().numel() == batch.items.numel()
        assert sorted(set(batch.positive.tolist())) == list(range(batch.positives))


def test_each_query_gets_the_negatives_drawn_for_its_user() -> None:
    sampler = Drawn(3)
    batches = list(feed(sampler).training(generator(1)))
    users, negatives = (torch.cat(column) for column in zip(*sampler.calls, strict=True))
    assert len(sampler.calls) == 1
    assert torch.equal(torch.cat([batch.users[batch.query] for batch in batches]), users)
    assert torch.equal(torch.cat([batch.items[batch.negative] for batch in batches]), negatives)


def test_a_long_epoch_is_drawn_in_chunks() -> None:
    sampler = Drawn(2)
    batches = list(feed(sampler, batch_size=3).training(generator(1)))
    assert [len(users) for users, _ in sampler.calls[:-1]] == [96] * (len(sampler.calls) - 1)
    assert torch.equal(
        torch.cat([batch.items[batch.negative] for batch in batches]), torch.cat([drawn for _, drawn in sampler.calls])
    )


def test_shared_negatives_are_drawn_anew_for_every_batch() -> None:
    sampler = Drawn(4, shared=True)
    batches = list(feed(sampler).training(generator(1)))
    found = [batch.items[batch.negative] for batch in batches]
    assert all(torch.equal(one, drawn) for one, (_, drawn) in zip(found, sampler.calls, strict=False))
    assert any(not torch.equal(one, other) for one, other in pairwise(found))


def test_log_q_belongs_to_the_item_rows() -> None:
    for batch in feed(Drawn(2)).training(generator(1)):
        assert torch.equal(batch.log_q, -batch.items.double())
    assert next(feed().training(generator(1))).log_q is None


def test_one_epoch_is_one_graph_and_the_next_another() -> None:
    built = feed()
    first, second = (list(built.training(generator(seed))) for seed in (1, 2))
    assert len({id(batch.source) for batch in first}) == 1
    assert first[0].source is not second[0].source
    assert first[0].source.adjacency is second[0].source.adjacency


def test_the_seed_is_the_order() -> None:
    built = feed(Drawn(1))
    one, same, other = ([batch.items for batch in built.training(generator(seed))] for seed in (1, 1, 2))
    assert all(torch.equal(a, b) for a, b in zip(one, same, strict=True))
    assert not torch.equal(one[0], other[0])


def test_inference_serves_all_users_with_the_plain_graph() -> None:
    [(graph, served)] = feed().inference(torch.arange(SHAPE.users))
    assert torch.equal(served, torch.arange(SHAPE.users))
    users, items = graph.adjacency.ends()
    assert list(zip(users.tolist(), items.tolist(), strict=True)) == edges()
    assert graph.noise is None


BOUGHT = {"buy": torch.tensor([True, False, True, False]), "cart": torch.zeros(4, dtype=torch.bool)}
MET = Interactions(Shape(3, 4), torch.tensor([0, 0, 1, 2]), torch.tensor([0, 3, 1, 2]), torch.arange(4), BOUGHT)


@pytest.mark.parametrize("alone", [False, True])
def test_only_the_target_is_asked_for_and_alone_it_is_all_there_is(*, alone: bool) -> None:
    made = GraphFeed(MET.shape, MET, None, 32, target="buy", alone=alone)
    [batch] = made.training(generator())
    assert batch.items is not None
    asked = zip(batch.users[batch.query].tolist(), batch.items[batch.positive].tolist(), strict=True)
    assert set(asked) == {(0, 0), (1, 1)}
    [(source, _)] = made.inference(torch.arange(3))
    assert source.adjacency.ends()[0].numel() == (2 if alone else 4)


def test_edges_fade_by_what_came_since_where_vectors_are_computed_and_not_in_training() -> None:
    """User 0 met item 1, then 3, then 1 again, told out of turn; user 1 met item 3 alone."""
    log = Interactions(Shape(2, 4), torch.tensor([0, 1, 0, 0]), torch.tensor([1, 3, 3, 1]), torch.tensor([0, 1, 2, 3]))
    made = GraphFeed(log.shape, log, None, 8, recency=2.0)
    [(aged, _)] = made.inference(torch.arange(2))
    assert aged.recency == 2
    expected = {(0, 1): 1.0, (0, 3): 2.0**-2, (1, 3): 1.0}
    users, items = aged.adjacency.ends()
    assert (
        dict(zip(zip(users.tolist(), items.tolist(), strict=True), aged.adjacency.strengths.tolist(), strict=True)) == expected
    )
    plain = GraphFeed(log.shape, log, None, 8)
    [(never, _)] = plain.inference(torch.arange(2))
    [batch], [without] = made.training(generator()), plain.training(generator())
    for trained in (batch.source.adjacency, without.source.adjacency, never.adjacency):
        assert trained.strengths is None
        assert torch.equal(trained.matrix.weights, never.adjacency.matrix.weights)
    assert not torch.equal(aged.adjacency.matrix.weights, never.adjacency.matrix.weights)


@pytest.mark.parametrize("alone", [False, True])
def test_age_counts_what_the_graph_is_made_of(*, alone: bool) -> None:
    bought = {"buy": torch.tensor([True, False, True])}
    log = Interactions(Shape(1, 3), torch.zeros(3, dtype=torch.int64), torch.arange(3), torch.arange(3), bought)
    [(source, _)] = GraphFeed(log.shape, log, None, 8, target="buy", alone=alone, recency=1.0).inference(torch.arange(1))
    assert source.adjacency.strengths.tolist() == pytest.approx([1 / 2, 1] if alone else [1 / 3, 1 / 2, 1])


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"target": "bye"}, r"source\.target: .*'bye'.*'buy'"),
        ({"target": "cart"}, r"source\.target: .*'cart'"),
        ({"alone": True}, r"source\.alone: .*source\.target"),
    ],
)
def test_a_target_that_nobody_did_is_refused(arguments: dict[str, Any], told: str) -> None:
    with pytest.raises(Refused, match=told):
        GraphFeed(MET.shape, MET, **arguments)


@pytest.mark.parametrize("wrong", [-0.5, 5.0])
def test_fading_too_fast_or_backwards_is_refused(wrong: float) -> None:
    with pytest.raises(Refused, match=r"source\.recency"):
        build("structures", Component(use="graph", recency=wrong), "source", shape=SHAPE, interactions=LOG, sampler=None)


def test_the_oldest_of_a_long_history_still_counts() -> None:
    count = 200_000
    log = Interactions(Shape(1, count), torch.zeros(count, dtype=torch.int64), torch.arange(count), torch.arange(count))
    [(source, _)] = GraphFeed(log.shape, log, None, 8, recency=4.0).inference(torch.arange(1))
    assert source.adjacency.matrix.weights.isfinite().all()
    assert source.adjacency.matrix.weights.min() > 0


def test_no_interaction_is_refused() -> None:
    nothing = torch.zeros(0, dtype=torch.int64)
    with pytest.raises(Refused, match="at least one interaction"):
        GraphFeed(SHAPE, Interactions(SHAPE, nothing, nothing, nothing), None)


def test_a_batch_of_nothing_is_refused() -> None:
    with pytest.raises(Refused, match=r"source\.batch_size"):
        feed(batch_size=0)
