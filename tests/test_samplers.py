"""What every sampler promises (properties 17 and 18): never a positive, the stated distribution, an end to every search."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chisquare

from recsys_cl.core.build import build
from recsys_cl.core.errors import Refused
from recsys_cl.core.settings import Component
from recsys_cl.core.values import Interactions, ItemFeatures, Modality, Shape

SAMPLERS = [
    {"use": "uniform"},
    {"use": "popular", "alpha": 0.0},
    {"use": "popular", "alpha": 0.75},
    {"use": "popular", "alpha": 1.0},
]
UNLIKELY = 1e-6


def log(pairs: list[tuple[int, int]], shape: Shape) -> Interactions:
    users, items = (torch.tensor(column, dtype=torch.int64) for column in zip(*pairs, strict=True))
    return Interactions(shape, users, items, torch.zeros_like(users))


def make(interactions: Interactions, settings: dict[str, object], negatives: int = 1, *, shared: bool = False):
    component = Component(negatives=negatives, shared=shared, **settings)
    return build("samplers", component, "sampler", shape=interactions.shape, interactions=interactions)


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def mass(interactions: Interactions, settings: dict[str, object]) -> torch.Tensor:
    counts = torch.bincount(interactions.items, minlength=interactions.shape.items).double()
    alpha = settings.get("alpha")
    return torch.ones_like(counts) if alpha is None else torch.where(counts > 0, counts**alpha, 0.0)


@st.composite
def logs(draw):
    shape = Shape(draw(st.integers(1, 6)), draw(st.integers(2, 9)))
    pair = st.tuples(st.integers(0, shape.users - 1), st.integers(0, shape.items - 1))
    return log(draw(st.lists(pair, min_size=1, max_size=40)), shape)


@pytest.mark.parametrize("choice", SAMPLERS, ids=str)
@given(interactions=logs(), seed=st.integers(0, 1000))
@settings(max_examples=60, deadline=None)
def test_never_a_positive_and_all_that_is_left_can_come(choice, interactions, seed):
    sampler = make(interactions, choice, negatives=64)
    weights = mass(interactions, choice)
    met = [set(row.tolist()) for row in map(interactions.by_user().row, range(interactions.shape.users))]
    for user, items in enumerate(met):
        left = {i for i in range(interactions.shape.items) if weights[i] > 0} - items
        if not left:
            with pytest.raises(Refused, match=f"user {user} "):
                sampler(torch.tensor([user]), rng(seed))
            continue
        assert set(sampler(torch.tensor([user]), rng(seed)).flatten().tolist()) <= left


@pytest.mark.parametrize("choice", SAMPLERS, ids=str)
def test_each_users_draws_follow_the_weights_of_what_is_left(choice):
    shape = Shape(3, 12)
    pairs = [(0, i) for i in (0, 1, 5, 11)] + [(1, i) for i in (2, 3, 4) for _ in range(4)] + [(2, i) for i in (6, 7, 9)]
    interactions = log(pairs, shape)
    weights = mass(interactions, choice)
    drawn = make(interactions, choice, negatives=40_000)(torch.arange(3), rng(1))
    for user in range(3):
        expected = weights.clone()
        expected[interactions.items[interactions.users == user]] = 0
        counts = torch.bincount(drawn[user], minlength=12).double()
        assert (counts[expected == 0] == 0).all()
        possible = expected > 0
        expected = expected[possible] / expected.sum() * 40_000
        assert chisquare(counts[possible].numpy(), expected.numpy()).pvalue > UNLIKELY


@pytest.mark.parametrize("choice", SAMPLERS, ids=str)
@pytest.mark.parametrize("shared", [False, True])
def test_what_nobody_met_and_only_its_content_tells_of_is_never_drawn(choice, shared):
    met = log([(0, 0), (1, 1), (2, 2)], Shape(3, 6))
    content = ItemFeatures({"image": Modality(torch.ones(6, 2), torch.arange(6) != 5)})
    component = Component(negatives=2000, shared=shared, **choice)
    sampler = build("samplers", component, "sampler", shape=met.shape, interactions=met, features=content)
    drawn = set(sampler(torch.arange(3), rng(1)).flatten().tolist())
    assert drawn == {0, 1, 2} | ({5} if choice["use"] == "uniform" else set())
    assert sampler.log_q(torch.tensor([3, 4])).tolist() == [-torch.inf, -torch.inf]
    assert float(sampler.log_q(torch.arange(6)).exp().sum()) == pytest.approx(1)


@pytest.mark.parametrize("choice", SAMPLERS, ids=str)
def test_shared_draws_follow_log_q_which_is_normalised(choice):
    interactions = log([(0, 0)] * 5 + [(1, 1)] * 2 + [(2, 2), (3, 4)], Shape(4, 6))
    sampler = make(interactions, choice, negatives=50_000, shared=True)
    share = sampler.log_q(torch.arange(6)).exp()
    assert float(share.sum()) == pytest.approx(1, abs=1e-9)
    weights = mass(interactions, choice)
    assert torch.allclose(share, weights / weights.sum(), atol=1e-9)
    counts = torch.bincount(sampler(torch.arange(2), rng(2)), minlength=6).double()
    assert (counts[weights == 0] == 0).all()
    possible = weights > 0
    assert chisquare(counts[possible].numpy(), (share[possible] * 50_000).numpy()).pvalue > UNLIKELY


@pytest.mark.parametrize("choice", SAMPLERS, ids=str)
@pytest.mark.parametrize("shared", [False, True])
def test_within_a_part_of_the_catalogue_the_proportions_are_the_same_and_the_whole_stays_as_it_was(choice, shared):
    interactions = log([(0, 0)] * 5 + [(1, 1)] * 2 + [(2, 2), (3, 4), (1, 5)], Shape(5, 6))
    whole, inside = make(interactions, choice, negatives=30_000, shared=shared), torch.tensor([1, 1, 0, 0, 1, 1]) > 0
    before = whole.log_q(torch.arange(6))
    part = whole.within(inside)
    weights = mass(interactions, choice) * inside
    share = part.log_q(torch.arange(6)).exp()
    assert torch.allclose(share, weights / weights.sum(), atol=1e-9)
    counts = torch.bincount(part(torch.tensor([4]), rng(2)).flatten(), minlength=6).double()
    assert (counts[weights == 0] == 0).all()
    assert chisquare(counts[weights > 0].numpy(), (share[weights > 0] * 30_000).numpy()).pvalue > UNLIKELY
    assert torch.equal(whole.log_q(torch.arange(6)), before)


@pytest.mark.parametrize("choice", SAMPLERS, ids=str)
def test_chance_comes_from_the_generator_alone(choice):
    interactions = log([(u, (u * 7 + k) % 50) for u in range(20) for k in range(5)], Shape(20, 50))
    sampler = make(interactions, choice, negatives=3)
    users = torch.arange(20)
    first = sampler(users, rng(3))
    assert first.shape == (20, 3)
    assert torch.equal(first, sampler(users, rng(3)))
    assert not torch.equal(first, sampler(users, rng(4)))


def test_one_item_left_among_many_is_found_at_once():
    shape = Shape(1, 100_000)
    interactions = log([(0, i) for i in range(shape.items) if i != 77_777], shape)
    drawn = make(interactions, {"use": "uniform"}, negatives=100)(torch.tensor([0]), rng())
    assert drawn.unique().tolist() == [77_777]


def test_order_of_the_log_changes_nothing():
    pairs = [(u, (u * 3 + k) % 30) for u in range(10) for k in range(6)]
    users = torch.arange(10)
    one = make(log(pairs, Shape(10, 30)), {"use": "popular"}, 5)(users, rng())
    other = make(log(pairs[::-1], Shape(10, 30)), {"use": "popular"}, 5)(users, rng())
    assert torch.equal(one, other)


@pytest.mark.parametrize(
    "wrong", [{"use": "uniform", "negatives": 0}, {"use": "popular", "alpha": -1.0}, {"use": "popular", "negatives": -3}]
)
def test_wrong_choiceare_refused(wrong):
    interactions = log([(0, 0)], Shape(1, 2))
    with pytest.raises(Refused, match=r"negatives|alpha"):
        build("samplers", Component(**wrong), "sampler", shape=interactions.shape, interactions=interactions)
