"""Adaptation to a support: its gradients, what it reads, what it leaves alone, and what it is worth where a taste is planted."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from recsys_cl.core.build import build
from recsys_cl.core.errors import Refused
from recsys_cl.core.settings import Component
from recsys_cl.core.values import Batch, Interactions, ItemFeatures, Modality, Shape
from recsys_cl.evaluation.encode import encode_all
from recsys_cl.methods._fast import fast_weights
from recsys_cl.methods._profile import kept_people
from recsys_cl.methods.meta import Meta
from recsys_cl.structures.episodes import EpisodeFeed, Episodes
from tests.graphs import features, generator

SHAPE = Shape(8, 12)
DIM = 4
TRANSFORMER = {"use": "transformer", "layers": 1, "dropout": 0.0}
WAYS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "maml": ({"use": "prior"}, {"algorithm": "maml"}),
    "maml with a head": ({"use": "prior"}, {"algorithm": "maml", "head": "affine"}),
    "maml of a transformer": (TRANSFORMER, {"algorithm": "maml", "head": "shift", "steps": 2}),
    "first order": ({"use": "average", "dropout": 0.0}, {"algorithm": "maml", "first_order": True}),
    "anil": (TRANSFORMER, {"algorithm": "anil", "head": "affine"}),
    "reptile": ({"use": "prior"}, {"algorithm": "reptile"}),
    "prototype": ({"use": "prior"}, {"algorithm": "prototype"}),
}
EXACT = [name for name in WAYS if name not in ("first order", "reptile")]
every_way = pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
exact = pytest.mark.parametrize("way", [WAYS[name] for name in EXACT], ids=EXACT)
adapting = pytest.mark.parametrize("way", [way for name, way in WAYS.items() if name != "prototype"])


def met(seed: int = 0) -> Interactions:
    users = torch.arange(SHAPE.users).repeat_interleave(6)
    items = torch.cat([torch.randperm(SHAPE.items, generator=generator(seed + user))[:6] for user in range(SHAPE.users)])
    return Interactions(SHAPE, users, items, torch.arange(len(users)))


def make(way: tuple[dict[str, Any], dict[str, Any]], told: ItemFeatures | None = None, **changes: Any) -> Meta:
    """In double precision, with vectors of length about 1."""
    told = told or features(shape=SHAPE)
    context = {"shape": SHAPE, "interactions": met(), "rng": generator(), "features": told}
    encoder = build("encoders", Component(dim=DIM, **way[0]), "encoder", **context)
    outer = build("objectives", Component(use="softmax"), "objectives.softmax", **context)
    settings = Component.model_validate({"use": "meta", "inner_rate": 0.5, "steps": 3, **way[1], **changes})
    method: Meta = build("methods", settings, "method", encoder=encoder, objectives={"softmax": (1.0, outer)}, **context)
    return method.double()


def tasks(support: int = 3, query: int = 2, count: int = 3) -> Episodes:
    items = met().items.view(SHAPE.users, 6)[:count]
    return Episodes(SHAPE, items[:, :support], items[:, support : support + query])


def batch(source: Episodes) -> Batch[Episodes]:
    answers = source.query.flatten()
    return Batch(source, torch.arange(len(source.query)), None, 0, torch.arange(len(answers)), answers)


@exact
def test_gradients_of_the_outer_loss_are_those_of_finite_differences(way: Any) -> None:
    method, asked = make(way), batch(tasks())
    for head in method.head.parameters():  # away from the identity, where some slopes are 0
        torch.nn.init.normal_(head, std=0.1, generator=generator(3))

    def outer() -> Tensor:
        return method.losses(asked, generator())["softmax"]

    slopes = torch.autograd.grad(outer(), list(method.parameters()))
    for (name, weight), slope in zip(method.named_parameters(), slopes, strict=True):
        direction = torch.randn(weight.shape, dtype=torch.float64, generator=generator(5))
        values = []
        for way_off in (1e-5, -1e-5):
            weight.data += way_off * direction
            values.append(outer().item())
            weight.data -= way_off * direction
        difference = (values[0] - values[1]) / 2e-5
        assert (slope * direction).sum().item() == pytest.approx(difference, rel=1e-4, abs=1e-8), name


@adapting
def test_adaptation_makes_the_support_more_likely(way: Any) -> None:
    method, source = make(way), tasks(support=4, query=0)
    items = method.encoder([source.rows(source.tokens)], source.tokens[:, 0])[0].items
    found = method._learn(source)
    before = make(way, steps=1, inner_rate=1e-9)._learn(source)
    for task in range(3):
        after = method.inner(found.vectors[task, :4], source.support[task], items)
        assert after < method.inner(before.vectors[task, :4], source.support[task], items)
    assert found.steps.tolist() == [method.steps] * 3


@every_way
def test_who_is_encoded_beside_somebody_changes_nothing_for_them(way: Any) -> None:
    method = make(way).eval()
    together = method.encode(tasks(count=3, query=0), torch.arange(3))
    for task in range(3):
        one = Episodes(SHAPE, tasks().support[task : task + 1], tasks().query[:1, :0])
        torch.testing.assert_close(method.encode(one, torch.arange(1)).users[0], together.users[task])


@every_way
def test_nothing_of_a_query_is_in_what_is_learned_from_the_support(way: Any) -> None:
    method, source = make(way), tasks()
    if method.algorithm == "reptile":
        return  # it descends on the whole task, and says so
    other = Episodes(SHAPE, source.support, (source.query + 1) % SHAPE.items)
    size = source.support.shape[1]
    one, two = (method._learn(each).vectors[:, : size + 1] for each in (source, other))
    torch.testing.assert_close(one, two)
    moved = Episodes(SHAPE, (source.support + 1) % SHAPE.items, source.query)
    assert not torch.allclose(one[:, -1], method._learn(moved).vectors[:, size])


@every_way
def test_nobody_in_particular_takes_no_steps_and_gets_the_start(way: Any) -> None:
    method = make(way)
    found = method.encode(tasks(support=0, query=0), torch.arange(3))
    assert found.steps is not None
    assert found.steps.tolist() == [0, 0, 0]
    torch.testing.assert_close(found.users, found.users[:1].expand(3, -1))


def test_everybody_is_told_their_own_steps() -> None:
    """Users without a history stand between the others; blocks of one size come in another order."""
    users = torch.tensor([0, 0, 2, 2, 2, 4])
    data = Interactions(Shape(5, SHAPE.items), users, torch.arange(6), torch.arange(6))
    found = encode_all(make(WAYS["maml"]), EpisodeFeed(data.shape, data), torch.tensor([4, 1, 2, 3, 0]))
    assert found.steps is not None
    assert found.steps.tolist() == [3, 0, 3, 0, 3]


def test_what_items_are_made_of_is_nobodys_own() -> None:
    prior, transformer = make(WAYS["maml"]), make(WAYS["maml of a transformer"])
    assert fast_weights(prior.encoder, tasks()) == ("user",)  # type: ignore[arg-type]
    names = fast_weights(transformer.encoder, tasks())  # type: ignore[arg-type]
    assert "items" not in names
    assert {"unknown", "positions", "blocks.0.mix.weight"} <= set(names)
    content = make(({"use": "prior", "content": True}, {}))
    assert fast_weights(content.encoder, tasks()) == ("user",)  # type: ignore[arg-type]


def test_asking_what_items_are_made_of_draws_nothing() -> None:
    dropping = make(({"use": "transformer", "heads": 1, "dropout": 0.5}, {}))
    before = torch.get_rng_state()
    fast_weights(dropping.encoder.train(), tasks())  # type: ignore[arg-type, attr-defined]
    assert torch.equal(torch.get_rng_state(), before), "a resumed process asks again"


def test_reptile_draws_the_start_to_where_tasks_end() -> None:
    method, source = make(WAYS["reptile"], steps=4), tasks()
    method.losses(batch(source), generator())["reptile"].backward()
    items, user = method.encoder.items.detach(), method.encoder.user  # type: ignore[union-attr]
    ends = []
    for task in range(3):
        mine = user.detach().clone().requires_grad_()
        answers = torch.cat((source.support[task], source.query[task]))
        for _ in range(4):
            logits = mine @ items.T
            loss = (logits.logsumexp(-1) - logits[answers]).mean()
            mine = (mine - 0.5 * torch.autograd.grad(loss, mine)[0]).detach().requires_grad_()
        ends.append(mine.detach())
    torch.testing.assert_close(user.grad, (user.detach() - torch.stack(ends).mean(0)) / 0.5)
    assert method.encoder.items.grad is None  # type: ignore[union-attr]


def test_a_prototype_is_the_mean_of_nobody_and_of_what_was_met() -> None:
    method, source = make(WAYS["prototype"]), tasks(query=0)
    encoder: Any = method.encoder
    expected = (encoder.user + encoder.items[source.support].sum(1)) / 4
    torch.testing.assert_close(method.encode(source, torch.arange(3)).users, expected)


def test_a_support_may_be_contrasted_with_itself_and_with_drawn_negatives() -> None:
    contrast = {"use": "info_nce", "between": "layers", "layer": "support", "sides": "users", "weight": 0.5}
    inner = {"bpr": {"use": "bpr"}, "contrast": contrast}
    method = make((TRANSFORMER, {"algorithm": "anil", "head": "affine"}), inner=inner, negatives=5)
    source = tasks()
    (plain,) = method.encoder([source.rows(source.tokens)], source.tokens[:, 0])
    asks, answers = plain.users.view(3, 5, DIM)[0, :3], source.support[0]
    drawn, own = method.inner.negatives, plain.items[answers]
    assert drawn is not None
    margins = (asks * own).sum(-1, keepdim=True) - asks @ plain.items[drawn].T
    kept = drawn != answers[:, None]
    ranked = (torch.nn.functional.softplus(-margins) * kept).sum() / kept.sum()
    unit = torch.nn.functional.normalize
    logits = unit(asks, dim=-1) @ unit(own, dim=-1).T / 0.2
    expected = ranked + 0.5 * torch.nn.functional.cross_entropy(logits, torch.arange(3))
    torch.testing.assert_close(method.inner(asks, answers, plain.items), expected)
    assert "inner.negatives" in method.state_dict()
    method.losses(batch(source), generator())["softmax"].backward()


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"inner_rate": 0.0}, "method.inner_rate"),
        ({"inner_rate": float("inf")}, "method.inner_rate"),
        ({"steps": 0}, "method.steps"),
        ({"steps": -1}, "method.steps"),
        ({"tolerance": -0.1}, "method.tolerance"),
        ({"longest": 0.0}, "method.longest"),
        ({"algorithm": "reptile", "learn_rate": True}, "method.learn_rate: 'reptile' does not differentiate"),
        ({"algorithm": "anil"}, "method.head: 'anil' adapts the head alone"),
        ({"inner": {"softmax": {"use": "softmax", "weight": -1}}}, "method.inner.softmax.weight"),
        ({"inner": {"softmax": {"use": "softmax", "temperature": 0.0}}}, "method.inner.softmax.temperature"),
        ({"inner": {"soft": {"use": "soft"}}}, "method.inner.soft: no 'soft'"),
    ],
)
def test_what_makes_no_sense_is_refused_by_its_key(changes: dict[str, Any], named: str) -> None:
    with pytest.raises(Refused, match=named):
        make(WAYS["maml"], **changes)


def test_a_learned_rate_is_a_weight_that_the_outer_loss_moves() -> None:
    method = make(WAYS["maml"], learn_rate=True)
    assert "descent.log_rate" in dict(method.named_parameters())
    assert torch.as_tensor(method.descent.rate).item() == pytest.approx(0.5)
    method.losses(batch(tasks()), generator())["softmax"].backward()
    assert method.descent.log_rate is not None
    assert method.descent.log_rate.grad is not None
    assert method.descent.log_rate.grad != 0


def people(count: int = SHAPE.users) -> ItemFeatures:
    """Two modalities, of which some users have none."""
    rng = generator(8)
    ages = Modality(torch.randn(count, 1, generator=rng), torch.arange(count) % 3 > 0)
    return ItemFeatures({"age": ages, "work": Modality(torch.randn(count, 4, generator=rng), torch.arange(count) % 2 > 0)})


def knowing(way: Any, rows: Tensor) -> tuple[Meta, Episodes]:
    told = ItemFeatures(features(shape=SHAPE).modalities, people())
    return make(way, about=True, told=told), replace(tasks(query=0), about=people().take(rows))


@every_way
def test_who_is_like_somebody_begins_alike_and_who_is_unknown_as_everybody(way: Any) -> None:
    method, source = knowing(way, torch.tensor([5, 1, 0]))  # everything, a part and nothing is known of them
    same = Episodes(SHAPE, source.support[:1].expand(3, -1), source.query, source.about)
    found = method.encode(same, torch.arange(3)).users
    assert not torch.allclose(found[0], found[1])
    plain = method.encode(replace(same, about=None), torch.arange(3)).users
    torch.testing.assert_close(found[2], plain[2])
    assert not torch.allclose(found[0], plain[0])


def test_what_stands_where_nothing_is_known_of_a_user_has_no_effect() -> None:
    method, source = knowing(WAYS["maml"], torch.tensor([0, 1, 2]))
    assert source.about is not None
    loud = {name: replace(each, values=each.values + 9.0 * ~each.present[:, None]) for name, each in source.about}
    one, other = (method.encode(each, torch.arange(3)).users for each in (source, replace(source, about=ItemFeatures(loud))))
    assert torch.equal(one, other)


def test_a_profile_is_made_again_from_its_weights_alone() -> None:
    method, _ = knowing(WAYS["maml"], torch.arange(3))
    found = kept_people(method.state_dict())
    assert found is not None
    assert [tuple(each.values.shape) for _, each in found] == [(1, 1), (1, 4)]
    assert not any(each.present.any() for _, each in found)
    assert kept_people(make(WAYS["maml"]).state_dict()) is None


def test_views_are_refused() -> None:
    with pytest.raises(Refused, match="views"):
        Meta(make(WAYS["maml"]).encoder, {}, met(), generator(), views=[lambda source, rng: source])


@pytest.mark.slow
@pytest.mark.parametrize("name", ["maml", "anil", "reptile", "prototype"])
def test_a_planted_taste_is_found_by_few_shots(name: str) -> None:
    """Users of two tastes, who like the first and the second half of the catalogue; a stranger with three items is told."""
    shape, rng = Shape(80, 40), generator(1)
    taste = torch.arange(80) % 2
    items = torch.stack([torch.randperm(20, generator=rng)[:10] + 20 * half for half in taste.tolist()])
    data = Interactions(shape, torch.arange(80).repeat_interleave(10), items.flatten(), torch.arange(800))
    context = {"shape": shape, "interactions": data, "rng": rng, "features": None}
    way = WAYS[name]
    encoder = build("encoders", Component(dim=8, **way[0]), "encoder", **context)
    outer = build("objectives", Component(use="softmax"), "objectives.softmax", **context)
    settings = Component.model_validate({"use": "meta", "inner_rate": 1.0, **way[1]})
    method: Meta = build("methods", settings, "method", encoder=encoder, objectives={"softmax": (1.0, outer)}, **context)
    feed = EpisodeFeed(shape, data, None, batch_size=16, support=5, query=5)
    optimizer = torch.optim.Adam(method.parameters(), 3e-2)
    for _ in range(15):
        for step in feed.training(rng):
            optimizer.zero_grad()
            torch.stack(list(method.losses(step, rng).values())).sum().backward()
            optimizer.step()
    strangers = Episodes(shape, torch.tensor([[1, 5, 9], [21, 35, 28]]), torch.zeros(2, 0, dtype=torch.int64))
    found = method.eval().encode(strangers, torch.arange(2))
    best: Tensor = (found.users @ found.items.T).topk(15).indices // 20
    assert best.tolist() == [[0] * 15, [1] * 15]
