"""Property 27: modalities in any order, an absent one has no effect, none is 0; and cold items are what their content says."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from recsys_cl.core.build import build
from recsys_cl.core.errors import Refused
from recsys_cl.core.settings import Component
from recsys_cl.core.values import ItemFeatures, Modality
from recsys_cl.structures.modal import Modal, ModalFeed
from tests.graphs import SHAPE, dense, features, generator, interactions, modal

USERS, ITEMS = torch.arange(SHAPE.users), torch.arange(SHAPE.items)
FUSIONS = ["sum", "gated", "attention"]
ENCODERS = [("modal", {"dim": 4, "layers": 2, "fusion": fusion}) for fusion in FUSIONS] + [("vbpr", {"dim": 4})]
every_encoder = pytest.mark.parametrize(("use", "arguments"), ENCODERS)


def made(use: str, arguments: dict[str, object], content: ItemFeatures | None = None) -> torch.nn.Module:
    context = {"shape": SHAPE, "rng": generator(1), "features": content or features()}
    module: torch.nn.Module = build("encoders", Component(use=use, **arguments), "encoder", **context)
    return module.double().eval()


def items_of(module: torch.nn.Module, source: Modal) -> Tensor:
    [found] = module([source], USERS, ITEMS)
    return found.items


@every_encoder
def test_the_order_in_which_modalities_are_declared_changes_no_bit(use: str, arguments: dict[str, object]) -> None:
    given = features()
    turned = ItemFeatures(dict(reversed(given.modalities.items())))
    assert list(turned.modalities) != list(given.modalities)
    one = items_of(made(use, arguments, given), replace(modal(), features=given))
    other = items_of(made(use, arguments, turned), replace(modal(), features=turned))
    assert torch.equal(one, other)


@every_encoder
def test_what_stands_where_a_modality_is_absent_has_no_effect(use: str, arguments: dict[str, object]) -> None:
    module, source = made(use, arguments), modal()
    assert not all(modality.present.all() for _, modality in source.features)
    noise = {
        name: replace(modality, values=torch.where(modality.present[:, None], modality.values, torch.full((1,), 7.0)))
        for name, modality in source.features
    }
    assert torch.equal(items_of(module, source), items_of(module, replace(source, features=ItemFeatures(noise))))


def without(source: Modal, item: int) -> Modal:
    """``source`` in which nothing is known of the content of ``item``."""
    absent = {name: Modality(modality.values, modality.present & (item != ITEMS)) for name, modality in source.features}
    return replace(source, features=ItemFeatures(absent))


@pytest.mark.parametrize("fusion", FUSIONS)
def test_no_modality_contributes_nothing(fusion: str) -> None:
    module = made("modal", {"dim": 4, "layers": 0, "fusion": fusion})
    [found] = module([without(replace(modal(), own=ITEMS >= 0), 2)], USERS, ITEMS)
    assert torch.equal(found.items[2], module.table[SHAPE.users + 2])
    assert not found.parts["content"].present[2]
    assert not found.parts["content"].items[2].any()
    [alone] = module([without(replace(modal(), own=ITEMS != 2), 2)], USERS, ITEMS)
    assert not alone.items[2].any()


@every_encoder
def test_a_cold_item_is_its_content_whoever_stands_beside_it(use: str, arguments: dict[str, object]) -> None:
    module, source = made(use, arguments | ({"layers": 0} if use == "modal" else {})), modal()
    source = without(replace(source, own=ITEMS != 1), 0)
    before = items_of(module, source)
    [alone] = module([source], USERS[:1], torch.tensor([1]))
    assert torch.allclose(alone.items[0], before[1], rtol=0, atol=1e-12)
    with torch.no_grad():
        module.table[SHAPE.users :] += 3.0  # what nobody has learned must not matter
    after = items_of(module, source)
    assert torch.equal(after[1], before[1])
    assert not torch.equal(after[2], before[2])


def test_propagation_is_that_of_the_dense_matrix() -> None:
    module, source = made("modal", {"dim": 4, "layers": 2}), modal()
    [found] = module([source], USERS, ITEMS)
    content = found.parts["content"].items
    table = module.table.clone()
    table[SHAPE.users :] = table[SHAPE.users :] * source.own[:, None] + content
    matrix = dense(source.graph.adjacency)
    layers = [table, matrix @ table, matrix @ matrix @ table]
    assert torch.allclose(torch.cat((found.users, found.items)), sum(layers) / 3)
    named = found.parts["content"].parts
    assert torch.allclose(named["image"].items + named["audio"].items, content)


def test_either_is_the_own_vector_or_the_content() -> None:
    module = made("modal", {"dim": 4, "layers": 0, "join": "either"})
    [found] = module([replace(modal(), own=ITEMS < 3)], USERS, ITEMS)
    assert torch.equal(found.items[:3], module.table[SHAPE.users : SHAPE.users + 3])
    assert torch.equal(found.items[3:], found.parts["content"].items[3:])


def test_vbpr_is_its_equation() -> None:
    module, source = made("vbpr", {"dim": 4}), modal()
    [found] = module([source], USERS, ITEMS)
    user, item = 2, 0
    looks = sum(
        tower.weight @ m.values[item].double() * m.present[item]
        for tower, (_, m) in zip(module.looks.towers, source.features, strict=True)
    )
    appeal = sum(
        tower.weight @ m.values[item].double() * m.present[item]
        for tower, (_, m) in zip(module.appeal.towers, source.features, strict=True)
    )
    expected = module.table[user] @ module.table[SHAPE.users + item] + module.tastes[user] @ looks + module.bias[item] + appeal
    assert torch.allclose(found.users[user] @ found.items[item], expected)  # the maps' constants begin at 0


def test_somebody_new_is_folded_in_along_the_graph() -> None:
    module, source = made("modal", {"dim": 4, "layers": 2}), modal()
    fold = module.fold_in(source)
    [whole] = module([source], USERS)
    degrees = dense(source.graph.adjacency).count_nonzero(1)[SHAPE.users :].clamp(min=1)[:, None]
    brought = (whole.layers[0].items + whole.layers[1].items) / 3 / degrees.sqrt()
    assert torch.allclose(fold.rows, brought)


def test_the_feed_has_the_batches_of_the_graph_and_knows_whom_nobody_met() -> None:
    log = interactions()
    feed = ModalFeed(SHAPE, log, features(), batch_size=4)
    batches = list(feed.training(generator(3)))
    assert len(batches) == feed.steps
    assert batches[0].source.own.tolist() == [bool((log.items == item).any()) for item in range(SHAPE.items)]
    assert batches[0].source.graph is batches[1].source.graph


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (None, r"declare them under \[prepare\.features\]"),
        (
            ItemFeatures({"image": Modality(torch.zeros(3, 2), torch.ones(3, dtype=torch.bool))}),
            "'image' has 3 rows, where there are 5 items",
        ),
    ],
)
def test_features_that_are_not_there_are_refused(given: ItemFeatures | None, message: str) -> None:
    with pytest.raises(Refused, match=message):
        ModalFeed(SHAPE, interactions(), given)


def test_other_modalities_than_the_towers_are_refused() -> None:
    with pytest.raises(Refused, match="made for audio, image, not for image"):
        items_of(made("modal", {"dim": 4}), replace(modal(), features=ItemFeatures({"image": features().modalities["image"]})))


def test_no_features_no_towers() -> None:
    with pytest.raises(Refused, match=r"\[prepare\.features\]"):
        build("encoders", Component(use="modal"), "encoder", shape=SHAPE, rng=generator(), features=None)


@pytest.mark.parametrize("fusion", ["sum", "attention"])
def test_the_only_modality_an_item_has_says_all(fusion: str) -> None:
    source = modal()
    alone = replace(source.features.modalities["audio"], present=ITEMS < 0)
    source = replace(source, features=ItemFeatures({**source.features.modalities, "audio": alone}))
    [found] = made("modal", {"dim": 4, "fusion": fusion})([source], USERS, ITEMS)
    content = found.parts["content"]
    assert torch.allclose(content.items, content.parts["image"].items)
    assert torch.equal(content.present, content.parts["image"].present)


def test_mgcn_a_modality_that_nothing_is_known_of_takes_no_attention() -> None:
    """The gates are open wide: what is left of content is the mean over modalities, which one that is absent must not lower."""
    told = features(missing=0.0).modalities
    absent = replace(told["audio"], values=told["audio"].values * 0, present=torch.zeros(SHAPE.items, dtype=torch.bool))
    source = replace(modal(), features=ItemFeatures({"image": told["image"], "audio": absent}))
    context = {"shape": SHAPE, "rng": generator(1), "features": features(missing=0.0), "interactions": interactions()}
    module = build("encoders", Component(use="mgcn", dim=4, layers=1, neighbours=2), "encoder", **context).double().eval()
    known = module._modalities(source, module.table[SHAPE.users :], torch.arange(SHAPE.users, SHAPE.users + SHAPE.items))
    content = module([source], USERS, ITEMS)[0].parts["content"].items
    image = known[1] if bool(known[1].any()) else known[0]
    assert torch.allclose(content, image, atol=1e-12)
