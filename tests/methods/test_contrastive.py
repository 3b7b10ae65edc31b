"""One encoder call a step, views in order, weighted terms by name; the score is a dot product of what `encode` returns."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from recsys_cl.core.build import build, names
from recsys_cl.core.errors import Refused
from recsys_cl.core.settings import Component
from recsys_cl.core.values import Batch, Encoding, Shape
from recsys_cl.encoders.lightgcn import LightGCN
from recsys_cl.methods._encode import encode
from recsys_cl.methods.contrastive import Contrastive
from tests.graphs import SHAPE, generator, graph

EMPTY = torch.empty(0, dtype=torch.int64)
BATCH = Batch(source=1.0, users=torch.tensor([0, 2]), items=torch.tensor([1, 0, 3]), positives=2, query=EMPTY, positive=EMPTY)


class Scaled(nn.Module):
    """Encodes a number: every vector is a table's row times it."""

    dim = 3

    def __init__(self):
        super().__init__()
        self.user = nn.Parameter(torch.arange(12.0).reshape(4, 3) + 1)
        self.item = nn.Parameter(torch.arange(15.0).reshape(5, 3) - 7)
        self.calls = []

    def __call__(self, sources, users, items=None):
        self.calls.append(tuple(sources))
        rows = self.item if items is None else self.item[items]
        return [Encoding(source * self.user[users], source * rows) for source in sources]


class Plus:
    def __init__(self, amount):
        self.amount = amount

    def __call__(self, source, rng):
        return source + self.amount


class Reads:
    """The sums of the encodings it is given, in order."""

    def __init__(self, views=0):
        self.views = views
        self.seen = None

    def __call__(self, main, views, batch):
        self.seen = [main.users.sum().item(), *(view.users.sum().item() for view in views)]
        assert batch is BATCH
        return main.users.sum()


def test_the_encoder_is_called_once_with_the_plain_source_and_all_views():
    encoder = Scaled()
    first, second = Reads(0), Reads(2)
    method = Contrastive(encoder, {"first": (1.0, first), "second": (0.5, second)}, views=[Plus(1.0), Plus(2.0)])
    terms = method.losses(BATCH, torch.Generator())
    assert encoder.calls == [(1.0, 2.0, 3.0)]
    total = encoder.user[BATCH.users].sum().item()
    assert {name: term.item() for name, term in terms.items()} == {"first": total, "second": 0.5 * total}
    assert second.seen == [total, 2 * total, 3 * total]


def test_the_main_view_alters_the_plain_source_only():
    encoder = Scaled()
    method = Contrastive(encoder, {"a": (1.0, Reads())}, views=[Plus(1.0)], main_view=Plus(10.0))
    method.losses(BATCH, torch.Generator())
    assert encoder.calls == [(11.0, 2.0)]


def test_recommending_uses_neither_views_nor_the_main_view():
    encoder = Scaled()
    method = Contrastive(encoder, {"a": (1.0, Reads())}, views=[Plus(1.0)], main_view=Plus(10.0))
    encoding = method.encode(2.0, BATCH.users)
    assert encoder.calls == [(2.0,)]
    assert encoding.users.shape == (2, 3)
    assert encoding.items.shape == (5, 3)


def test_cosine_scores_do_not_depend_on_lengths():
    method = Contrastive(Scaled(), {}, similarity="cosine")
    encoding = method.encode(3.0, BATCH.users)
    raw = Contrastive(Scaled(), {}).encode(3.0, BATCH.users)
    expected = nn.functional.cosine_similarity(raw.users[:, None], raw.items[None], dim=-1)
    torch.testing.assert_close(encoding.users @ encoding.items.T, expected)


def test_an_objective_that_reads_more_views_than_there_are_is_refused():
    with pytest.raises(Refused, match=r"objectives\.contrast: reads 2 \[\[views\]\], the recipe has 1"):
        Contrastive(Scaled(), {"contrast": (1.0, Reads(2))}, views=[Plus(1.0)])


def test_an_objective_with_weights_is_trained_and_saved():
    class Learned(nn.Module):
        views = 0

        def __init__(self):
            super().__init__()
            self.temperature = nn.Parameter(torch.ones(()))

    method = Contrastive(Scaled(), {"contrast": (1.0, Learned())})
    assert "learned.contrast.temperature" in method.module.state_dict()
    assert sorted(method.module.state_dict()) == ["encoder.item", "encoder.user", "learned.contrast.temperature"]


def test_it_is_built_by_name():
    assert "contrastive" in names("methods")
    context = {"encoder": Scaled(), "views": (), "objectives": {}, "main_view": None}
    method = build("methods", Component(use="contrastive", similarity="cosine"), "method", **context)
    assert isinstance(method, Contrastive)
    with pytest.raises(Refused, match=r"method\.similarity"):
        build("methods", Component(use="contrastive", similarity="euclid"), "method", **context)


class ReadsEveryone(Reads):
    everyone = True

    def __call__(self, main, views, batch):
        self.found = [main, *views]
        return main.everyone.users.sum()


@pytest.mark.parametrize("asks", [False, True])
def test_everyone_is_encoded_where_an_objective_asks_and_the_batch_is_cut_from_it(asks):
    encoder, objective = Scaled(), ReadsEveryone(1) if asks else Reads(1)
    method = Contrastive(encoder, {"only": (1.0, objective)}, views=[Plus(1.0)], shape=Shape(4, 5))
    method.losses(BATCH, torch.Generator())
    assert encoder.calls == [(1.0, 2.0)]
    if asks:
        for factor, found in zip((1.0, 2.0), objective.found, strict=True):
            assert torch.equal(found.everyone.users, factor * encoder.user)
            assert torch.equal(found.everyone.items, factor * encoder.item)
            assert torch.equal(found.users, factor * encoder.user[BATCH.users])
            assert torch.equal(found.items, factor * encoder.item[BATCH.items])


def test_an_encoder_that_cannot_give_everyone_is_refused():
    method = Contrastive(Scaled(), {"only": (1.0, ReadsEveryone())}, shape=Shape(4, 9))
    with pytest.raises(Refused, match="all users at once"):
        method.losses(BATCH, torch.Generator())


def test_what_is_cut_from_everyone_is_what_the_batch_alone_gives_layers_too():
    encoder = LightGCN(SHAPE, generator(1), dim=4, layers=2).double()
    batch = Batch(None, torch.tensor([5, 0]), torch.tensor([4, 1, 2]), 1, EMPTY, EMPTY)
    [cut], [alone] = (encode(encoder, [graph()], batch, shape) for shape in (SHAPE, None))
    assert len(cut.layers) == len(cut.everyone.layers) == 3
    for one, other in zip((cut, *cut.layers), (alone, *alone.layers), strict=True):
        assert torch.allclose(one.users, other.users, atol=1e-12)
        assert torch.allclose(one.items, other.items, atol=1e-12)
