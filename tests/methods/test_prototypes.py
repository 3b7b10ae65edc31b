"""Prototypes are found by schedule, drawn to, saved and resumed."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator

import pytest
import torch

from recsys_cl.core.build import build
from recsys_cl.core.errors import Refused
from recsys_cl.core.settings import Component
from recsys_cl.core.values import Batch, Encoding, Shape
from recsys_cl.encoders.mf import MatrixFactorisation
from recsys_cl.methods.prototypes import Prototypes

SHAPE = Shape(12, 9)


def batch(source: object) -> Batch[object]:
    return Batch(source, torch.tensor([3, 7]), torch.tensor([2, 8, 5]), 2, torch.tensor([0, 1]), torch.tensor([1, 0]))


class Halves:
    """Epochs of two steps; all users in two parts, not in order."""

    shape, steps = SHAPE, 2

    def inference(self, users: torch.Tensor) -> Iterator[tuple[object, torch.Tensor]]:
        yield "late", users.flip(0)[:5]
        yield "early", users.flip(0)[5:]


def shifted(source: object, rng: torch.Generator) -> object:
    return source


def make(views: int = 0, feed: object = Halves, **settings: object) -> Prototypes[object]:
    encoder = MatrixFactorisation(SHAPE, torch.Generator().manual_seed(0), dim=4).double()
    offered = {"objectives": {}, "views": [shifted] * views, "main_view": None, "shape": SHAPE, "feed": feed and Halves()}
    context = {"encoder": encoder, **offered}
    chosen = Component(use="prototypes", **{"clusters": 3, "weight": 1.0, "temperature": 0.5, **settings})
    method: Prototypes[object] = build("methods", chosen, "method", **context)
    return method.double()


def term(method: Prototypes[object], source: object) -> torch.Tensor:
    return method.losses(batch(source), torch.Generator().manual_seed(1))["prototypes"]


def test_each_node_picks_the_centre_of_its_cluster() -> None:
    method = make()
    loss, total = term(method, "epoch 1"), 0.0
    table = method.encoder.table.detach()
    for rows, centres, home in (
        (table[[3, 7]], method.centres_users, method.home_users[[3, 7]]),
        (table[12:][[2, 8]], method.centres_items, method.home_items[[2, 8]]),
    ):
        for row, own in zip(rows, home.tolist(), strict=True):
            logits = [torch.nn.functional.cosine_similarity(row, centre, dim=0).item() / 0.5 for centre in centres]
            total += (math.log(sum(map(math.exp, logits))) - logits[own]) / 2
    assert loss.item() == pytest.approx(total, abs=1e-9)
    assert all((table[:12][method.home_users == k].mean(0) - c).abs().max() < 1e-9 for k, c in enumerate(method.centres_users))


def test_clusters_are_found_by_schedule_only() -> None:
    method, found = make(warmup=1, every=2), []
    for epoch in range(5):
        value = term(method, "first half")
        found.append(method.centres_users.clone())
        assert (value.item() == 0) == (epoch == 0)
        with torch.no_grad():
            method.encoder.table += torch.randn(21, 4, generator=torch.Generator().manual_seed(epoch))
        term(method, "second half")
        assert torch.equal(method.centres_users, found[-1])  # within an epoch nothing moves
    same = [torch.equal(a, b) for a, b in itertools.pairwise(found)]
    assert same == [False, True, False, True]


def test_what_was_saved_goes_on_as_if_never_stopped() -> None:
    whole, first = make(every=2), make(every=2)
    for method in (whole, first):
        term(method, "first half"), term(method, "second half")
    resumed = make(every=2)
    resumed.load_state_dict(first.module.state_dict())
    for _ in range(4):
        assert torch.equal(term(whole, "epochs 2 and 3"), term(resumed, "epochs 2 and 3"))
    assert {"centres_users", "centres_items", "home_users", "home_items", "epoch"} < set(whole.state_dict())


def test_centres_pass_no_gradient_and_are_no_more_than_there_are_nodes() -> None:
    method = make(clusters=2000)
    assert len(method.centres_users) == SHAPE.users
    term(method, "epoch 1").backward()  # type: ignore[no-untyped-call]
    assert not method.centres_users.requires_grad
    touched = method.encoder.table.grad.abs().sum(1).nonzero().flatten().tolist()
    assert touched == [3, 7, 12 + 2, 12 + 8]


def test_two_views_are_drawn_to_their_intent_away_from_those_of_others_in_the_batch() -> None:
    method = make(views=2, clusters=4, sides="users", drawn="views", negatives="batch", compare="dot")
    table, users = method.encoder.table, torch.arange(9)
    every: Batch[object] = Batch(None, users, torch.arange(2), 2, users, users % 2)
    value = method.losses(every, torch.Generator().manual_seed(1))["prototypes"].item()
    total, homes = 0.0, method.home_users.tolist()
    for u in range(9):
        others = [v for v in range(9) if homes[v] != homes[u]]  # one of the same intent is no negative
        own, *away = [(table[u] @ method.centres_users[homes[v]]).item() / 0.5 for v in (u, *others)]
        total += math.log(sum(map(math.exp, (own, *away)))) - own
    assert len(set(homes[:9])) < 9
    assert value == pytest.approx(total / 9, abs=1e-9)
    assert "centres_items" not in method.state_dict()


def test_clusters_are_those_of_the_encoder_at_rest_and_it_goes_on_learning() -> None:
    method, modes = make(), []
    ask = method.encoder.forward
    method.encoder.forward = lambda *asked: (modes.append(method.encoder.training), ask(*asked))[1]  # type: ignore[method-assign]
    term(method.train(), "first half")
    assert modes == [False, False, True]


def test_what_cannot_be_drawn_is_refused_by_its_key() -> None:
    with pytest.raises(Refused, match=r"method\.drawn: 'views' needs two \[\[views\]\], the recipe has 1"):
        make(views=1, drawn="views")
    with pytest.raises(Refused, match=r"layer: the encoder gives 1 layers, counted from 0; got 5"):
        term(make(layer=5), "first half")
    with pytest.raises(Refused, match="without a feed"):
        term(make(feed=None), "first half")
    places: Batch[object] = Batch(None, torch.arange(3), torch.arange(2), 2, torch.arange(4), torch.arange(4) % 2)
    method = make()
    method.encoder.forward = (
        lambda sources, users, items=None: [  # type: ignore[method-assign]
            Encoding(method.encoder.table[: 4 if items is not None else 12], method.encoder.table[12:]) for _ in sources
        ]
    )
    method.feed = Whole()  # type: ignore[assignment]
    with pytest.raises(Refused, match=r"method\.drawn: the plain encoding has one row a place"):
        method.losses(places, torch.Generator().manual_seed(1))


class Whole:
    """All users at once."""

    shape, steps = SHAPE, 2

    def inference(self, users: torch.Tensor) -> Iterator[tuple[object, torch.Tensor]]:
        yield "all", users
