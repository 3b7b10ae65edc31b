"""Prototypes are found by schedule, drawn to, saved and resumed."""

from __future__ import annotations

import itertools
import math

import pytest
import torch

from recsys_cl.core.build import build
from recsys_cl.core.settings import Component
from recsys_cl.core.values import Batch, Shape
from recsys_cl.encoders.mf import MatrixFactorisation
from recsys_cl.methods.prototypes import Prototypes

SHAPE = Shape(12, 9)


def batch(source: object) -> Batch[object]:
    return Batch(source, torch.tensor([3, 7]), torch.tensor([2, 8, 5]), 2, torch.tensor([0, 1]), torch.tensor([1, 0]))


def make(**settings: object) -> Prototypes[object]:
    encoder = MatrixFactorisation(SHAPE, torch.Generator().manual_seed(0), dim=4).double()
    context = {"encoder": encoder, "objectives": {}, "views": (), "main_view": None, "shape": SHAPE}
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
        source = f"epoch {epoch}"
        value = term(method, source)
        found.append(method.centres_users.clone())
        assert (value.item() == 0) == (epoch == 0)
        with torch.no_grad():
            method.encoder.table += torch.randn(21, 4, generator=torch.Generator().manual_seed(epoch))
        term(method, source)
        assert torch.equal(method.centres_users, found[-1])  # within an epoch nothing moves
    same = [torch.equal(a, b) for a, b in itertools.pairwise(found)]
    assert same == [False, True, False, True]


def test_what_was_saved_goes_on_as_if_never_stopped() -> None:
    whole, first = make(every=2), make(every=2)
    for method in (whole, first):
        term(method, "epoch 1")
    resumed = make(every=2)
    resumed.load_state_dict(first.module.state_dict())
    for source in ("epoch 2", "epoch 3"):
        assert torch.equal(term(whole, source), term(resumed, source))
    assert {"centres_users", "centres_items", "home_users", "home_items", "epoch"} < set(whole.state_dict())


def test_centres_pass_no_gradient_and_are_no_more_than_there_are_nodes() -> None:
    method = make(clusters=2000)
    assert len(method.centres_users) == SHAPE.users
    term(method, "epoch 1").backward()  # type: ignore[no-untyped-call]
    assert not method.centres_users.requires_grad
    touched = method.encoder.table.grad.abs().sum(1).nonzero().flatten().tolist()
    assert touched == [3, 7, 12 + 2, 12 + 8]
