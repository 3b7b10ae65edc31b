"""Odd histories and settings in every sequence recipe: a defined answer, or a refusal by key; never an index error, never NaN."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from recsys_cl.config import load_recipe
from recsys_cl.core.errors import Refused
from recsys_cl.core.values import Interactions, Shape
from recsys_cl.evaluation.encode import encode_all
from recsys_cl.stages.assemble import Assembly, assemble
from tests.shipped import of_family

NAMES = of_family("sequence")
SMALL = {"source": {"batch_size": 4}, "encoder": {"dim": 8}}


def log(histories: list[list[int]], items: int) -> Interactions:
    pairs = sorted((time, user, item) for user, history in enumerate(histories) for time, item in enumerate(history))
    columns = torch.tensor(pairs, dtype=torch.int64).view(-1, 3)
    return Interactions(Shape(len(histories), items), columns[:, 1], columns[:, 2], columns[:, 0])


def made(name: str, data: Interactions, *changes: dict[str, Any]) -> Assembly:
    recipe = load_recipe(name, SMALL, {"sampler": {"negatives": 3}} if load_recipe(name).sampler else {}, *changes)
    return assemble(recipe, data, 1, torch.device("cpu"))


def learn(built: Assembly, epochs: int = 2) -> Tensor:
    """Every loss term and every gradient met on the way, as one flag: all finite."""
    rng, finite = torch.Generator().manual_seed(1), []
    optimizer = torch.optim.Adam(built.method.module.parameters(), lr=0.01)
    for _ in range(epochs):
        for batch in built.feed.training(rng):
            terms = built.method.losses(batch, rng)
            optimizer.zero_grad()
            torch.stack(list(terms.values())).sum().backward()
            gradients = [p.grad for p in built.method.module.parameters() if p.grad is not None]
            finite += [torch.isfinite(value).all() for value in (*terms.values(), *gradients)]
            optimizer.step()
    return torch.stack(finite).all()


@pytest.mark.parametrize("name", NAMES)
def test_short_and_empty_histories_are_learned_around_and_answered(name: str) -> None:
    built = made(name, log([[], [3], [1, 2], [4, 0, 2, 5], [5, 5], [0, 1, 2, 3, 4, 5, 0]], 9))
    assert learn(built)
    found = encode_all(built.method, built.feed, torch.arange(6))
    assert torch.isfinite(found.users).all()
    assert torch.isfinite(found.items).all()
    assert found.users.shape[0] == 6


@pytest.mark.parametrize("name", NAMES)
def test_a_catalogue_of_one_item_is_learned_or_refused(name: str) -> None:
    recipe = load_recipe(name)
    built = made(name, log([[0, 0], [0], []], 1))
    if recipe.sampler is not None and not recipe.sampler.arguments.get("shared"):
        with pytest.raises(Refused, match="met"):  # nobody has an item left to be a negative
            learn(built)
        return
    assert learn(built)
    assert torch.isfinite(encode_all(built.method, built.feed, torch.arange(3)).users).all()


@pytest.mark.parametrize("name", NAMES)
def test_nothing_to_learn_from_is_refused(name: str) -> None:
    with pytest.raises(Refused, match="no user has two interactions"):
        learn(made(name, log([[0], [1], []], 4)))


@pytest.mark.parametrize("name", NAMES)
def test_a_length_of_zero_is_refused_by_its_key(name: str) -> None:
    with pytest.raises(Refused, match=r"source\.max_length"):
        load_recipe(name, {"source": {"max_length": 0}})


HARSH = [
    [{"use": "mask", "ratio": 1.0}],
    [{"use": "crop", "ratio": 0.0}],
    [{"use": "reorder", "ratio": 1.0}],
    [{"use": "substitute", "ratio": 1.0}],
    [{"use": "insert", "ratio": 1.0, "max_length": 1}],
]


@pytest.mark.parametrize("name", ["cl4srec", "coserec", "iclrec", "mclrec-style"])
@pytest.mark.parametrize("view", HARSH, ids=lambda view: view[0]["use"])
def test_views_that_leave_next_to_nothing_give_finite_losses(name: str, view: list[dict[str, Any]]) -> None:
    assert learn(made(name, log([[1, 2], [3, 1, 0], [2, 4], [0, 1, 2, 3, 4]], 6), {"views": view * 2}))


@pytest.mark.parametrize("ratio", [1e-9, 1.0])
@pytest.mark.parametrize("only_last", [0.0, 1.0])
def test_a_feed_that_hides_everything_or_next_to_nothing_gives_finite_losses(ratio: float, only_last: float) -> None:
    data = log([[1, 2], [3, 1, 0], [2], [], [0, 1, 2, 3, 4]], 6)
    built = made("bert4rec", data, {"source": {"ratio": ratio, "only_last": only_last, "max_length": 2}})
    assert learn(built)
    assert torch.isfinite(encode_all(built.method, built.feed, torch.arange(5)).users).all()


@pytest.mark.parametrize("view", ["crop", "mask", "reorder", "substitute", "insert", "same_target", "identity"])
def test_no_view_leaves_a_history_of_one_item_empty(view: str) -> None:
    data = log([[1, 2], [2, 1], [0, 2], [3, 4]], 6)
    built = made("cl4srec", data, {"views": [{"use": view}] * 2})
    (batch,) = built.feed.training(torch.Generator().manual_seed(0))
    assert (batch.source.lengths == 1).all()
    altered = built.method.module.views[0](batch.source, torch.Generator().manual_seed(1))
    assert (altered.lengths >= 1).all()
    assert torch.equal(altered.readout, altered.offsets[1:] - 1)


def test_times_that_are_all_one_or_go_back_to_the_beginning_are_read() -> None:
    data = log([[1, 2], [3, 1, 0], [2], [], [0, 1, 2, 3, 4]], 6)
    still = Interactions(data.shape, data.users, data.items, torch.zeros_like(data.times))
    for given in (data, still):
        built = made("sasrec-softmax", given, {"source": {"times": True}, "encoder": {"gaps": True}})
        assert learn(built)
        assert torch.isfinite(encode_all(built.method, built.feed, torch.arange(5)).users).all()


BAD = [
    ("bert4rec", {"source": {"ratio": 0.0}}, r"source\.ratio"),
    ("bert4rec", {"source": {"max_length": 1}}, r"source\.max_length"),
    ("bert4rec", {"source": {"times": True}}, r"source\.times"),
    ("sasrec-softmax", {"encoder": {"max_length": 0}}, r"encoder\.max_length"),
    ("sasrec-softmax", {"encoder": {"smooth": 1.5}}, r"encoder\.smooth"),
    ("coserec", {"views": [{"use": "insert", "max_length": 0}] * 2}, r"views\.0\.max_length"),
    ("cl4srec", {"views": [{"use": "mask", "ratio": 1.5}] * 2}, r"views\.0\.ratio"),
    ("iclrec", {"method": {"clusters": 0}}, r"method\.clusters"),
    ("iclrec", {"method": {"temperature": 0.0}}, r"method\.temperature"),
    ("mclrec-style", {"objectives": {"augmented": {"temperature": -1.0}}}, r"objectives\.augmented\.temperature"),
    ("mclrec-style", {"objectives": {"augmented": {"hidden": 0}}}, r"objectives\.augmented\.hidden"),
    ("sasrec-bce", {"encoder": {"positions": "sine"}}, r"encoder\.positions"),
    ("average-softmax", {"encoder": {"decay": 0.0}}, r"encoder\.decay"),
    ("duorec", {"views": [{"use": "identity"}, {"use": "same_target", "max_length": 0}]}, r"views\.1\.max_length"),
]


@pytest.mark.parametrize(("name", "change", "named"), BAD)
def test_a_setting_that_makes_no_sense_is_refused_by_its_key(name: str, change: dict[str, Any], named: str) -> None:
    with pytest.raises(Refused, match=named):
        load_recipe(name, change)
