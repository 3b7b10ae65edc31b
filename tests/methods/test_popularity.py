"""Popularity beside a cosine: what is ranked, whoever asks."""

from __future__ import annotations

import math

import pytest
import torch
from safetensors.torch import load, save
from torch import nn
from torch.nn.functional import cosine_similarity

from recsys_cl.core.errors import Refused
from recsys_cl.core.values import Encoding, Fold, Interactions, Ragged, Shape
from recsys_cl.encoders.lightgcn import LightGCN
from recsys_cl.methods._popularity import offsets, with_offsets
from recsys_cl.methods.contrastive import Contrastive
from recsys_cl.serving.new_items import _padded
from recsys_cl.serving.reader import ByRule
from tests.graphs import SHAPE, generator, graph, interactions

USERS = torch.arange(SHAPE.users)


def lightgcn():
    return LightGCN(SHAPE, generator(1), dim=4, layers=2).double()


def made(weight, known=None):
    return Contrastive(
        lightgcn(), {}, similarity="cosine", popularity=weight, interactions=interactions() if known is None else known
    ).double()


def test_the_score_is_the_cosine_and_the_weighted_log_of_how_often_an_item_was_met():
    plain, found = Contrastive(lightgcn(), {}).encode(graph(), USERS), made(0.3).encode(graph(), USERS)
    cosines = cosine_similarity(plain.users[:, None], plain.items[None], dim=-1)
    met = torch.tensor([sum(interactions().items == item) for item in range(SHAPE.items)], dtype=torch.float64)
    torch.testing.assert_close(found.users @ found.items.T, cosines + 0.3 * (1 + met).log(), rtol=0, atol=1e-7)
    assert torch.equal(
        made(0.0).encode(graph(), USERS).items, Contrastive(lightgcn(), {}, similarity="cosine").encode(graph(), USERS).items
    )


def test_an_item_that_nobody_met_gets_nothing():
    known = Interactions(Shape(1, 3), torch.tensor([0, 0]), torch.tensor([1, 1]), torch.zeros(2))
    assert offsets(known, 2.0).tolist() == pytest.approx([0, 2 * torch.tensor(3.0).log().item(), 0])


def test_what_was_met_last_is_popular_by_now():
    """User 0 met items 0, 1 and 2 in turn, user 1 item 0 alone: strengths 1/3, 1/2, 1 and 1, whose mean is 17/24."""
    known = Interactions(Shape(2, 4), torch.tensor([0, 0, 1, 0]), torch.tensor([0, 1, 0, 2]), torch.arange(4))
    expected = [2 * math.log1p(count * 24 / 17) for count in (4 / 3, 1 / 2, 1, 0)]
    assert offsets(known, 2.0, recency=1.0).tolist() == pytest.approx(expected)
    method = Contrastive(lightgcn(), {}, similarity="cosine", popularity=2.0, recency=1.0, interactions=known)
    assert torch.equal(method.offsets, offsets(known, 2.0, recency=1.0))


def test_who_has_another_length_is_answered_alike():
    users, items, given = torch.randn(3, 4, generator=generator(2)), torch.randn(5, 4, generator=generator(3)), torch.rand(5)
    scores = [(e.users @ e.items.T) for e in (with_offsets(Encoding(scale * users, items), given) for scale in (1.0, 7.0))]
    torch.testing.assert_close(*scores)


def test_offsets_are_kept_with_the_weights_for_who_knows_no_interactions():
    none = Interactions(SHAPE, *[torch.zeros(0, dtype=torch.int64)] * 3)
    read = made(0.3, none)
    read.load_state_dict(made(0.3).state_dict())
    assert torch.equal(read.offsets, made(0.3).offsets)
    assert read.offsets.any()


def test_somebody_new_is_ranked_by_the_same_rule():
    method, met = made(0.3), torch.tensor([0, 2, 2])
    rule = Fold.among(load(save({**method.fold_in(graph()).tensors()})))
    [vector] = ByRule(rule).vectors(Ragged(met, torch.tensor([0, 3])))
    plain = Contrastive(lightgcn(), {}).fold_in(graph())
    summed = plain.rows[[0, 2]].sum(0)
    expected = torch.cat((nn.functional.normalize(summed, dim=0), summed.new_ones(1)))
    torch.testing.assert_close(vector, expected)
    [without] = ByRule(Fold.among(plain.tensors())).vectors(Ragged(met, torch.tensor([0, 3])))
    torch.testing.assert_close(without, summed / 2**0.5)
    assert Fold.among({}) is None


class WithContent(LightGCN):
    def by_content(self, features):
        return features["vectors"]


def test_an_item_known_by_content_alone_is_ranked_by_its_cosine():
    encoder, content = WithContent(SHAPE, generator(1), dim=4, layers=1).double(), torch.randn(2, 4, dtype=torch.float64)
    method = Contrastive(encoder, {}, similarity="cosine", popularity=0.3, interactions=interactions())
    asking = method.encode(graph(), USERS).users
    expected = cosine_similarity(encoder([graph()], USERS)[0].users[:, None], content[None], dim=-1)
    torch.testing.assert_close(asking @ method.by_content({"vectors": content}).T, expected)


def test_items_that_came_later_leave_the_rule_what_it_is():
    rule = ByRule(Fold(torch.ones(2, 3), 0.5, offset=True))
    padded = _padded(rule, 2)
    assert padded.fold.offset
    assert padded.fold.rows.tolist() == [[1.0] * 3] * 2 + [[0.0] * 3] * 2


def test_popularity_is_refused_beside_a_dot_product():
    with pytest.raises(Refused, match=r"method\.popularity"):
        Contrastive(lightgcn(), {}, popularity=0.1, interactions=interactions())


def test_recency_of_no_popularity_is_refused():
    with pytest.raises(Refused, match=r"method\.recency: .*source\.recency"):
        Contrastive(lightgcn(), {}, similarity="cosine", recency=1.0)
