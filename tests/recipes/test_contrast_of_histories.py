"""Contrast of histories in whole recipes: nothing altered has a closed form, one alone costs nothing, ids are only names."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
import torch.nn.functional as F

from recsys_cl.config import load_recipe
from recsys_cl.core.values import Interactions, Shape
from recsys_cl.evaluation.encode import encode_all
from recsys_cl.stages.assemble import Assembly, assemble
from tests.shipped import of_family

SEQUENCE = of_family("sequence")
SHAPE = Shape(users=9, items=12)
NOTHING = [[{"use": "mask", "ratio": 0.0}], [{"use": "crop", "ratio": 1.0}], [{"use": "reorder", "ratio": 0.0}]]


def log() -> Interactions:
    rng = torch.Generator().manual_seed(3)
    rows = [torch.randperm(SHAPE.items, generator=rng)[: 3 + user % 4].tolist() for user in range(SHAPE.users)]
    met = torch.tensor(sorted((place, user, item) for user, row in enumerate(rows) for place, item in enumerate(row)))
    return Interactions(SHAPE, met[:, 1], met[:, 2], met[:, 0])


def made(name: str, data: Interactions, *changes: dict[str, Any]) -> Assembly:
    few = {"sampler": {"negatives": 4}} if load_recipe(name).sampler else {}
    small = {"encoder": {"dim": 8, "dropout": 0.0}}
    return assemble(load_recipe(name, small, few, *changes), data, 1, torch.device("cpu"))


def rows_of(source: Any) -> list[list[int]]:
    return [part.tolist() for part in source.tokens.split(source.lengths.tolist())]


@pytest.mark.parametrize("view", NOTHING, ids=lambda view: view[0]["use"])
def test_views_that_alter_nothing_are_bit_equal_and_their_loss_is_known(view: list[dict[str, Any]]) -> None:
    built = made("cl4srec", log(), {"views": view * 2})
    (batch,) = built.feed.training(torch.Generator().manual_seed(0))
    encoder: Any = built.method.module.encoder
    sources = [make(batch.source, torch.Generator().manual_seed(seed)) for seed, make in enumerate(built.method.module.views)]
    one, other, plain = encoder([*sources, batch.source.at_the_end()], batch.users, batch.items)
    assert torch.equal(one.users, other.users)
    torch.testing.assert_close(one.users, plain.users)
    alike = F.normalize(one.users.double()) @ F.normalize(one.users.double()).T / 0.2
    expected = 0.1 * (alike.logsumexp(1) - alike.diagonal()).mean()
    found = built.method.losses(batch, torch.Generator().manual_seed(0))["contrast"]
    torch.testing.assert_close(found.double(), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", SEQUENCE)
def test_neither_batches_nor_views_hold_what_was_held_out(name: str) -> None:
    """Items 12 to 19 are those of the held-out parts alone, and a user's own target is not in what is read before it."""
    known = replace(log(), shape=Shape(SHAPE.users, 20))
    built = made(name, known)
    rng = torch.Generator().manual_seed(0)
    for _ in range(5):
        for batch in built.feed.training(rng):
            views = [view(batch.source, rng) for view in built.method.module.views]
            for source in (batch.source, *views):
                assert set(source.tokens.tolist()) <= {*range(SHAPE.items), 20}  # 20: hidden
    for source, users in built.feed.inference(torch.arange(SHAPE.users)):
        newest = known.by_user()
        assert all(
            set(row) <= {*newest.row(user).tolist(), 20} for row, user in zip(rows_of(source), users.tolist(), strict=True)
        )


@pytest.mark.parametrize("name", ["cl4srec", "coserec", "duorec"])
def test_a_history_alone_in_its_batch_has_nothing_to_differ_from(name: str) -> None:
    built = made(name, log(), {"source": {"batch_size": 1}})
    for batch in built.feed.training(torch.Generator().manual_seed(0)):
        assert built.method.losses(batch, torch.Generator().manual_seed(1))["contrast"].abs() < 1e-6


@pytest.mark.parametrize("name", SEQUENCE)
def test_other_names_for_items_change_no_user(name: str) -> None:
    data, order = log(), torch.randperm(SHAPE.items, generator=torch.Generator().manual_seed(5))
    plain, renamed = made(name, data), made(name, replace(data, items=order[data.items]))
    encoders: list[Any] = [built.method.module.encoder for built in (plain, renamed)]
    with torch.no_grad():
        encoders[1].items[order] = encoders[0].items
    one, other = (encode_all(built.method, built.feed, torch.arange(SHAPE.users)) for built in (plain, renamed))
    torch.testing.assert_close(other.users, one.users)
    torch.testing.assert_close(other.items[order], one.items)
