"""What graph views leave out: as much as they say, everything alike, and never the whole graph."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise

import pytest
import torch

from recsys_cl.core.errors import Refused
from recsys_cl.core.settings import Component
from recsys_cl.core.values import Shape
from recsys_cl.ops.flow import Request
from recsys_cl.ops.layers import layered
from recsys_cl.structures.graph import Graph
from recsys_cl.views.chain import Chain
from recsys_cl.views.edge_drop import EdgeDrop
from recsys_cl.views.embedding_dropout import EmbeddingDropout
from recsys_cl.views.layer_noise import LayerNoiseView
from recsys_cl.views.node_drop import NodeDrop
from recsys_cl.views.random_walk import RandomWalk
from recsys_cl.views.svd import SVD
from tests.graphs import generator, graph, interactions

SHAPE = Shape(users=30, items=20)


def pairs(source: Graph) -> list[tuple[int, int]]:
    users, items = source.adjacency.ends()
    return list(zip(users.tolist(), items.tolist(), strict=True))


def within(count: int, draws: int, rate: float) -> bool:
    """A binomial count less than five deviations off: p > 5e-7 where the rate is right."""
    return abs(count - draws * rate) < 5 * math.sqrt(draws * rate * (1 - rate))


@pytest.mark.parametrize("seed", range(5))
def test_edge_drop_leaves_a_subset_without_repeats(seed: int) -> None:
    source = graph(seed, 150, SHAPE)
    left = pairs(EdgeDrop(0.4)(source, generator(seed)))
    assert len(set(left)) == len(left)
    assert set(left) < set(pairs(source))


def test_edge_drop_keeps_its_rate_and_favours_no_edge() -> None:
    source, view, rng = graph(0, 60, SHAPE), EdgeDrop(0.3, hold="step"), generator(4)
    place = {pair: at for at, pair in enumerate(pairs(source))}
    kept = torch.zeros(len(place))
    for _ in range(1000):
        kept[[place[pair] for pair in pairs(view(source, rng))]] += 1
    assert within(int(kept.sum()), 1000 * len(place), 0.7)
    chi_square = ((kept - 700) ** 2 / (1000 * 0.7 * 0.3)).sum()
    assert chi_square < len(place) + 5 * math.sqrt(2 * len(place))


def test_node_drop_takes_all_edges_of_a_node_or_none() -> None:
    source = Graph(SHAPE, graph(0, 4000, SHAPE).adjacency)  # nearly complete, so a node without edges was dropped
    left = pairs(NodeDrop(0.3)(source, generator(1)))
    users, items = {user for user, _ in left}, {item for _, item in left}
    assert set(left) == {(user, item) for user, item in pairs(source) if user in users and item in items}
    assert 0 < len(users) < SHAPE.users
    assert 0 < len(items) < SHAPE.items


def test_node_drop_keeps_its_rate() -> None:
    source, rng = graph(0, 4000, SHAPE), generator(2)
    staying = sum(len({user for user, _ in pairs(NodeDrop(0.2)(source, rng))}) for _ in range(200))
    assert within(staying, 200 * SHAPE.users, 0.8)


def test_a_random_walk_draws_each_layer_on_its_own() -> None:
    source = graph(0, 150, SHAPE)
    altered = RandomWalk(0.3, layers=3)(source, generator(1))
    walks = [tuple(layer.matrix.columns.tolist()) for layer in altered.flow(3).adjacencies]
    assert len(set(walks)) == 3
    with pytest.raises(Refused, match="3 layers"):
        altered.flow(2)


def test_held_for_an_epoch_or_drawn_every_step() -> None:
    first, second, rng = graph(0, 150, SHAPE), graph(0, 150, SHAPE), generator(3)
    held, fresh = EdgeDrop(0.3), EdgeDrop(0.3, hold="step")
    epoch = held(first, rng)
    assert held(first, rng) is epoch
    assert pairs(held(second, rng)) != pairs(epoch)
    assert pairs(fresh(first, rng)) != pairs(fresh(first, rng))


def test_held_for_so_many_steps_of_an_epoch() -> None:
    first, second, rng = graph(0, 150, SHAPE), graph(0, 150, SHAPE), generator(3)
    view = EdgeDrop(0.3, hold=3)
    drawn = [view(first, rng) for _ in range(7)]
    assert [one is other for one, other in pairwise(drawn)] == [True, True, False, True, True, False]
    assert view(second, rng) is not drawn[-1]
    with pytest.raises(Refused, match="hold"):
        EdgeDrop(0.3, hold=0)


def outputs(source: Graph, layers: int = 3) -> list[torch.Tensor]:
    table = torch.randn(50, 6, dtype=torch.float64, generator=generator(7))
    [found] = layered(table, [source.flow(layers)], Request(torch.arange(50), (1.0,) * (layers + 1)))
    return list(found)


def test_the_svd_of_full_rank_is_the_graph() -> None:
    source = graph(0, 150, SHAPE)
    for one, other in zip(outputs(SVD(20)(source, generator())), outputs(source), strict=True):
        assert torch.allclose(one, other, rtol=0, atol=1e-9)
    lower = outputs(SVD(19)(source, generator()))[2]
    assert not torch.allclose(lower, outputs(source)[2], rtol=0, atol=1e-6)


def test_the_svd_is_found_once_for_a_graph_and_draws_nothing() -> None:
    view, source, rng = SVD(3), graph(0, 150, SHAPE), generator(1)
    before = rng.get_state()
    first = view(source, rng).low_rank
    assert view(replace(source), rng).low_rank is first
    assert view(graph(1, 150, SHAPE), rng).low_rank is not first
    assert torch.equal(rng.get_state(), before)
    assert torch.equal(SVD(3)(source, generator(2)).low_rank.left, first.left)


@pytest.mark.parametrize("earlier", [SVD(3), RandomWalk(0.3, layers=2)], ids=["svd", "random_walk"])
def test_what_an_earlier_view_made_of_the_edges_is_not_lost_in_silence(earlier: SVD | RandomWalk) -> None:
    source = earlier(graph(0, 150, SHAPE), generator())
    for view, name in ((EdgeDrop(0.3), "edge_drop"), (NodeDrop(0.3), "node_drop"), (RandomWalk(0.3, layers=2), "random_walk")):
        with pytest.raises(Refused, match=f"put '{name}' before it"):
            view(source, generator())


@pytest.mark.parametrize("ask", [LayerNoiseView(0.1), EmbeddingDropout(0.1)], ids=["layer_noise", "embedding_dropout"])
def test_a_draw_is_held_for_the_epoch_whatever_is_asked_of_the_encoder_before(ask: LayerNoiseView | EmbeddingDropout) -> None:
    chained, rng, drawn = EdgeDrop(0.5), generator(1), []
    for epoch in (object(), object()):
        source = replace(graph(0, 150, SHAPE), epoch=epoch)
        steps = [chained(ask(source, rng), rng) for _ in range(3)]
        assert len({id(step.adjacency) for step in steps}) == 1
        asked = [step.noise or step.dropout for step in steps]
        assert len({each.seed for each in asked}) == 3, "which is its own in every step"
        drawn.append(steps[0].adjacency)
    assert drawn[0] is not drawn[1]


def test_noise_and_low_rank_are_one_too_many() -> None:
    source = SVD(3)(LayerNoiseView(0.1)(graph(), generator()), generator())
    with pytest.raises(Refused, match="choose one"):
        source.flow(2)


def test_embedding_dropout_zeroes_its_rate_of_the_table_and_keeps_the_mean() -> None:
    view, table = EmbeddingDropout(0.25), torch.ones(400, 64)
    one, other = (view(graph(), generator(seed)).dropout for seed in (1, 2))
    mask = one.mask(table)
    assert within(int((mask == 0).sum()), mask.numel(), 0.25)
    assert torch.equal(mask.unique(), torch.tensor([0, 1 / 0.75]))
    assert torch.equal(one.mask(table), mask)
    assert not torch.equal(other.mask(table), mask)


def test_a_chain_applies_its_views_in_order() -> None:
    source = graph(0, 150, SHAPE)
    of = tuple(Component(use=use, **how) for use, how in (("edge_drop", {"rate": 0.5}), ("svd", {"rank": 2})))
    altered = Chain(SHAPE, interactions(), of)(source, generator(1))
    dropped = EdgeDrop(0.5)(source, generator(1))
    assert pairs(altered) == pairs(dropped)
    assert torch.equal(altered.low_rank.left, SVD(2)(dropped, generator()).low_rank.left)


@pytest.mark.parametrize(
    "view", [EdgeDrop(0.99), NodeDrop(0.99), RandomWalk(0.99, layers=2)], ids=lambda view: type(view).__name__
)
def test_an_empty_graph_is_refused(view: EdgeDrop | NodeDrop | RandomWalk) -> None:
    with pytest.raises(Refused, match=r"rate 0\.99 left none of the graph's 1 edges"):
        view(graph(0, 1), generator(1))


@pytest.mark.parametrize("make", [EdgeDrop, NodeDrop, lambda rate: RandomWalk(rate, layers=1)], ids=["edge", "node", "walk"])
@pytest.mark.parametrize("rate", [-0.1, 1.0, float("nan")])
def test_a_rate_is_checked_without_settings_too(make: type[EdgeDrop], rate: float) -> None:
    with pytest.raises(Refused, match="rate must lie in"):
        make(rate)


def test_noise_is_asked_for_anew_at_every_call() -> None:
    source, view, rng = graph(), LayerNoiseView(0.1), generator(1)
    one, other = view(source, rng).noise, view(source, rng).noise
    assert one is not None
    assert other is not None
    assert one.eps == other.eps == 0.1
    assert one.seed != other.seed
