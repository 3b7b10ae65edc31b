"""What every encoder keeps: rows as asked, gradients everywhere, views that change nobody else's vectors.

A new encoder is one case in CASES.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from recsys_cl.core.build import build, names
from recsys_cl.core.errors import Refused
from recsys_cl.core.settings import Component
from recsys_cl.core.values import Encoding
from recsys_cl.ops.dropout import InputDropout
from recsys_cl.ops.low_rank import factorise
from recsys_cl.ops.noise import LayerNoise
from recsys_cl.ops.ragged import offsets_of
from recsys_cl.structures.plain import Plain
from recsys_cl.structures.sequences import Sequences
from tests.domains import domains
from tests.graphs import SHAPE, features, generator, graph, interactions, labelled, modal

ITEMS = torch.tensor([3, 0, 4])
USERS = torch.tensor([5, 1, 6, 0])


def plain_and_noisy(users: Tensor) -> list[Any]:
    """Sources of the graph family: the graph, a smaller one, and the graph again with what a view may ask for."""
    low_rank = factorise(graph().adjacency, 2, generator())
    asked = [{"noise": LayerNoise(0.1, 1)}, {"low_rank": low_rank}, {"dropout": InputDropout(0.3, 2)}]
    return [graph(), graph(seed=3), *(replace(graph(), **request) for request in asked)]


def histories(users: Tensor) -> list[Any]:
    """Sources of the sequence family: for each user some items, and the same with the newest one hidden."""
    rows = [torch.arange(user, user + 2 + user % 3) % SHAPE.items for user in users.tolist()]
    return [sequences(rows), sequences([torch.cat((row[:-1], torch.tensor([SHAPE.items]))) for row in rows])]


def sequences(rows: list[Tensor]) -> Sequences:
    offsets = offsets_of(torch.tensor([len(row) for row in rows]))
    return Sequences(SHAPE, torch.cat(rows), offsets, offsets[1:] - 1, max(len(row) for row in rows))


def nothing(users: Tensor) -> list[Any]:
    """Sources of the family that learns nothing."""
    return [Plain()]


def fewer_edges(users: Tensor) -> list[Any]:
    """Sources of the graph family that ask for nothing."""
    return [graph(), graph(seed=3)]


def with_content(users: Tensor) -> list[Any]:
    """Sources of the multimodal family: all of it, another graph and noise with the same content, less content, fewer ids."""
    whole = modal()
    other = replace(whole, graph=replace(graph(seed=3), noise=LayerNoise(0.1, 1)))
    less = replace(whole, features=features(seed=4))
    return [whole, other, less, replace(whole, own=torch.arange(SHAPE.items) % 2 == 0)]


def plain_content(users: Tensor) -> list[Any]:
    """The same without what only propagation can do."""
    whole = modal()
    return [whole, replace(whole, features=features(seed=4)), replace(whole, own=torch.arange(SHAPE.items) % 2 == 0)]


def several_domains(users: Tensor) -> list[Any]:
    """Sources of the cross-domain family: all of it, one domain alone, and all of it with people hidden."""
    whole = domains()
    return [whole, replace(whole, only=1), replace(whole, seen=whole.seen & (torch.arange(SHAPE.users) % 2 == 0))]


@dataclass(frozen=True)
class Case:
    """``sources(users)`` are a plain source and views, each read out once per user, in the order of ``users``."""

    use: str
    sources: Callable[[Tensor], Sequence[Any]]
    arguments: dict[str, object] = field(default_factory=dict)
    learns: bool = True

    def __str__(self) -> str:
        return self.use


CASES = [
    Case("mf", plain_and_noisy, {"dim": 4}),
    Case("lightgcn", plain_and_noisy, {"dim": 4, "layers": 2}),
    Case("lightgcn", plain_and_noisy, {"dim": 4, "layers": 3, "include_input": False, "init": "normal"}),
    Case("lightgcn", plain_and_noisy, {"dim": 4, "layers": 2, "combine": "sum"}),
    Case("lightgcn", plain_and_noisy, {"dim": 4, "layers": 2, "layer_weights": [1.0, 0.0, 4.0]}),
    Case("egcf", fewer_edges, {"dim": 4, "layers": 2}),
    Case("egcf", fewer_edges, {"dim": 4, "layers": 2, "aggregate": "alternate"}),
    Case("simplex", fewer_edges, {"dim": 4, "share": 0.4, "init": "xavier"}),
    Case("simplex", fewer_edges, {"dim": 4, "share": 1.0, "init": "xavier", "dropout": 0.3}),
    Case("modal", with_content, {"dim": 4, "layers": 2}),
    Case("modal", with_content, {"dim": 4, "layers": 1, "fusion": "gated", "hidden": 5, "include_input": False}),
    Case("modal", with_content, {"dim": 4, "layers": 0, "fusion": "attention", "join": "either"}),
    Case("vbpr", plain_content, {"dim": 4}),
    Case("freedom", with_content, {"dim": 4, "layers": 2, "neighbours": 2}),
    Case("freedom", with_content, {"dim": 4, "layers": 1, "item_layers": 0}),
    Case("mgcn", with_content, {"dim": 4, "layers": 2, "neighbours": 2}),
    Case("domains", several_domains, {"dim": 4, "layers": 2, "by": "audio"}),
    Case("domains", several_domains, {"dim": 4, "layers": 0, "by": "audio", "crossing": "learned", "always": True}),
    Case("domains", several_domains, {"dim": 4, "layers": 1, "by": "audio", "crossing": "fitted"}),
    Case("domains", several_domains, {"dim": 4, "layers": 2, "by": "audio", "crossing": "none"}),
    Case("domains", several_domains, {"dim": 4, "layers": 2, "by": "audio", "crossing": "learned", "spread": True}),
    Case("prior", histories, {"dim": 4}),
    Case("transformer", histories, {"dim": 4, "layers": 2, "heads": 2, "feedforward": 8, "max_length": 6}),
    Case("gru", histories, {"dim": 4, "width": 5, "layers": 2}),
    Case("cnn", histories, {"dim": 4, "kernel": 2, "dilations": [1, 2]}),
    Case("caser", histories, {"dim": 4, "window": 3, "horizontal": 4, "vertical": 2}),
    Case("average", histories, {"dim": 4, "decay": 0.5}),
    Case("popular", nothing, learns=False),
    Case("random", nothing, learns=False),
    Case("content_profile", nothing, learns=False),
    Case("recent_popular", nothing, learns=False),
    Case("svd", nothing, {"dim": 3}, learns=False),
    Case("item_knn", nothing, {"neighbours": 2}, learns=False),
    Case("markov", nothing, {"smoothing": 0.5}, learns=False),
    Case("ials", nothing, {"dim": 3, "sweeps": 2}, learns=False),
    Case("ease", nothing, {"l2": 2.0}, learns=False),
]

every_case = pytest.mark.parametrize("case", CASES, ids=str)
every_learner = pytest.mark.parametrize("case", [case for case in CASES if case.learns], ids=str)


def encoder(case: Case, seed: int = 0) -> nn.Module:
    told = labelled() if case.use == "domains" else features()
    context = {"shape": SHAPE, "rng": generator(seed), "interactions": interactions(), "features": told}
    module: nn.Module = build("encoders", Component(use=case.use, **case.arguments), "encoder", **context)
    return module.double().eval()


def assert_same(one: Encoding, other: Encoding) -> None:
    """Equal vectors; exactly equal ones would forbid kernels that sum in another order for other batch shapes."""
    assert torch.allclose(one.users, other.users, rtol=0, atol=1e-12)
    assert torch.allclose(one.items, other.items, rtol=0, atol=1e-12)
    for layer, same_layer in zip(one.layers, other.layers, strict=True):
        assert_same(layer, same_layer)
    assert one.parts.keys() == other.parts.keys()
    for name, part in one.parts.items():
        assert_same(part, other.parts[name])


def test_every_encoder_has_a_case() -> None:
    assert set(names("encoders")) == {case.use for case in CASES}


@every_case
def test_one_encoding_a_source_with_the_rows_asked_for(case: Case) -> None:
    sources = case.sources(USERS)
    found = encoder(case)(sources, USERS, ITEMS)
    assert len(found) == len(sources)
    for encoding in found:
        for rows in (encoding, *encoding.layers):
            assert rows.users.shape == (4, encoding.users.shape[1])
            assert rows.items.shape == (3, encoding.users.shape[1])
            assert torch.isfinite(rows.users).all()
            assert torch.isfinite(rows.items).all()


@every_case
def test_what_is_said_to_be_a_sum_of_layers_is_it(case: Case) -> None:
    for encoding in encoder(case)(case.sources(USERS)[:1], USERS, ITEMS):
        if not encoding.shares:
            continue
        users, items = (
            sum(share * getattr(layer, side) for share, layer in zip(encoding.shares, encoding.layers, strict=True))
            for side in ("users", "items")
        )
        assert torch.allclose(encoding.users, users, rtol=0, atol=1e-12)
        assert torch.allclose(encoding.items, items, rtol=0, atol=1e-12)
    assert bool(encoding.shares) == (case.use in ("mf", "lightgcn"))


@every_case
def test_no_items_means_the_whole_catalogue(case: Case) -> None:
    module, source = encoder(case), case.sources(USERS)[0]
    [whole] = module([source], USERS)
    [some] = module([source], USERS, ITEMS)
    assert whole.items.shape[0] == SHAPE.items
    assert_same(Encoding(whole.users, whole.items[ITEMS]), Encoding(some.users, some.items))


@every_case
def test_rows_follow_the_order_of_the_users(case: Case) -> None:
    module, order = encoder(case), torch.tensor([2, 0, 3, 1])
    [one] = module(case.sources(USERS)[:1], USERS, ITEMS)
    [other] = module(case.sources(USERS[order])[:1], USERS[order], ITEMS)
    assert_same(Encoding(one.users[order], one.items), Encoding(other.users, other.items))


@every_case
def test_encoding_together_is_encoding_alone(case: Case) -> None:
    module, sources = encoder(case), case.sources(USERS)
    together = module(sources, USERS, ITEMS)
    for source, expected in zip(sources, together, strict=True):
        [alone] = module([source], USERS, ITEMS)
        assert_same(alone, expected)


@every_learner
def test_gradients_of_all_encodings_reach_every_parameter(case: Case) -> None:
    module, users = encoder(case), torch.arange(SHAPE.users)
    weights = torch.randn(SHAPE.users, SHAPE.items, dtype=torch.float64, generator=generator(2))
    found = module(case.sources(users), users)
    scored = sum(((encoding.users @ encoding.items.T).sigmoid() * weights).sum() for encoding in found)
    (scored + sum(part.items.sigmoid().sum() for encoding in found for part in encoding.parts.values())).backward()
    for name, parameter in module.named_parameters():
        assert parameter.grad is not None, name
        assert torch.isfinite(parameter.grad).all(), name
        assert parameter.grad.abs().sum() > 0, name


@every_learner
def test_the_seed_is_the_initialisation(case: Case) -> None:
    one, again, other = (encoder(case, seed).state_dict() for seed in (1, 1, 2))
    assert all(torch.equal(one[name], again[name]) for name in one)
    assert any(not torch.equal(one[name], other[name]) for name in one)


@every_learner
def test_without_gradients_the_vectors_are_the_same(case: Case) -> None:
    module, sources = encoder(case), case.sources(USERS)[:1]
    with torch.no_grad():
        [quiet] = module(sources, USERS, ITEMS)
    [loud] = module(sources, USERS, ITEMS)
    assert not quiet.users.requires_grad
    assert_same(quiet, loud)


@every_learner
def test_vectors_of_no_length_are_refused(case: Case) -> None:
    with pytest.raises(Refused, match=r"encoder\.dim"):
        encoder(replace(case, arguments={"dim": 0}))
