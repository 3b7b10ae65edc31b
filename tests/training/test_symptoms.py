"""A planted collapse and a planted dominating term are named; health costs nothing and changes nothing."""

from __future__ import annotations

import logging

import pytest
import torch
from torch import nn

from recsys_cl.core.values import Batch, Encoding
from recsys_cl.training import symptoms
from recsys_cl.training.loop import fit
from recsys_cl.training.plan import Plan
from recsys_cl.training.symptoms import LASTING, Symptoms

USERS, ITEMS, DIM = 40, 30, 8


class Model(nn.Module):
    """Fits scores to a checkerboard; ``pull`` draws all vectors to one point."""

    def __init__(self, *, pull: float, fit: float = 1.0) -> None:
        super().__init__()
        rng = torch.Generator().manual_seed(0)
        self.user = nn.Parameter(torch.randn(USERS, DIM, generator=rng))
        self.item = nn.Parameter(torch.randn(ITEMS, DIM, generator=rng))
        self.weights = {"fit": fit, "pull": pull}

    def losses(self, batch, rng):
        wanted = (torch.arange(USERS)[:, None] % 2 == torch.arange(ITEMS) % 2).float()
        rows = torch.cat((self.user, self.item))
        terms = {"fit": (self.user @ self.item.T - wanted).square().mean(), "pull": (rows - 1).square().mean()}
        return {name: weight * terms[name] for name, weight in self.weights.items()}

    def encode(self, source, users):
        return Encoding(self.user[users].detach(), self.item.detach())

    @property
    def module(self):
        return self


class Feed:
    steps = 3

    def training(self, rng):
        empty = torch.empty(0, dtype=torch.int64)
        yield from [Batch(None, empty, None, 0, empty, empty)] * self.steps


class Told:
    def __init__(self):
        self.rows = []

    def note(self, values): ...

    def log(self, metrics, step):
        self.rows.append(dict(metrics))


def judge(method, feed):
    return {"ndcg@20": torch.tensor([0.5])}


def train(model, folder, epochs=6, rate=0.1, **arguments):
    told = Told()
    watched = Symptoms(model, told, lambda: model.encode(None, torch.arange(USERS)), label="train/toy", **arguments)
    plan = Plan(epochs=epochs, learning_rate=rate)
    fit(watched, Feed(), judge, plan, watched, torch.Generator(), folder)
    return told.rows


@pytest.mark.parametrize(("sign", "cosine"), [(1.0, 1.0), (-1.0, -1.0)])
def test_terms_that_undo_each_other_are_measured(tmp_path, sign, cosine):
    """The second term is the first one, or its negative, a tenth as large; the third is of other weights."""
    model = Model(pull=0.5)
    plain = model.losses

    def losses(batch, rng):
        terms = plain(batch, rng)
        return {"fit": terms["fit"], "again": 0.1 * sign * terms["fit"], "apart": model.other.square().sum()}

    model.other = nn.Parameter(torch.ones(3))
    model.losses = losses
    row = train(model, tmp_path, epochs=1, rate=1e-3)[0]
    assert row["conflict/fit/again"] == pytest.approx(cosine, abs=1e-5)
    assert row["conflict/fit/apart"] == 0
    assert row["conflict/again/apart"] == 0


def test_the_angle_of_two_terms_is_that_of_their_gradients(tmp_path):
    model = Model(pull=0.5)
    terms = model.losses(None, None)
    slopes = [
        torch.cat([part.flatten() for part in torch.autograd.grad(term, (model.user, model.item))]) for term in terms.values()
    ]
    expected = torch.nn.functional.cosine_similarity(*slopes, dim=0).item()
    row = train(model, tmp_path, epochs=1, rate=1e-3)[0]
    assert 0.01 < abs(expected) < 0.99
    assert row["conflict/fit/pull"] == pytest.approx(expected, abs=1e-5)


def test_the_largest_models_go_without(tmp_path, monkeypatch):
    monkeypatch.setattr(symptoms, "COMPARED", 10)
    row = train(Model(pull=0.5), tmp_path, epochs=1)[0]
    assert "gradient/fit" in row
    assert not [name for name in row if name.startswith("conflict/")]


def test_a_healthy_training_is_measured_and_not_warned_of(tmp_path, caplog):
    rows = train(Model(pull=0.5), tmp_path, rate=1e-3)
    assert caplog.records == []
    for row in rows:
        assert {"loss/fit", "valid/ndcg@20", "effective_rank/users", "uniformity/items"} <= set(row)
        assert row["gradient/fit"] + row["gradient/pull"] == pytest.approx(1)
        assert 6 < row["effective_rank/users"] <= DIM
        assert row["uniformity/users"] < -1


def test_a_planted_collapse_is_warned_of_once_for_each_side(tmp_path, caplog):
    rows = train(Model(pull=1.0, fit=0.0), tmp_path, epochs=40, rate=0.2, penalties={"fit"})
    assert rows[-1]["effective_rank/users"] < 2
    messages = [record.getMessage() for record in caplog.records]
    assert len(messages) == 2
    assert all("collapsed" in message and message.startswith("train/toy: epoch ") for message in messages)
    assert "vectors of users" in messages[0]
    assert "vectors of items" in messages[1]
    assert {record.levelno for record in caplog.records} == {logging.WARNING}


@pytest.mark.parametrize(("model", "name"), [({"pull": 1e5}, "pull"), ({"pull": 1e-6}, "fit")])
def test_a_planted_dominating_term_is_named_once_it_lasts(tmp_path, caplog, model, name):
    rows = train(Model(**model), tmp_path / "short", epochs=LASTING - 1, rate=1e-4)
    assert rows[0][f"gradient/{name}"] > 0.99
    assert caplog.records == []
    train(Model(**model), tmp_path / "long", epochs=LASTING + 2, rate=1e-4)
    (record,) = caplog.records
    assert f"epoch {LASTING}: loss term '{name}' makes 9" in record.getMessage() or "100.00%" in record.getMessage()
    assert f"objectives.{name}.weight" in record.getMessage()


def test_a_penalty_is_measured_and_not_compared(tmp_path, caplog):
    rows = train(Model(pull=1e-6), tmp_path, rate=1e-4, penalties={"pull"})
    assert rows[0]["gradient/pull"] < 1e-3
    assert caplog.records == []


def test_training_is_byte_for_byte_what_it_is_without(tmp_path):
    watched, plain = Model(pull=0.5), Model(pull=0.5)
    train(watched, tmp_path / "watched")
    fit(plain, Feed(), judge, Plan(epochs=6, learning_rate=0.1), Told(), torch.Generator(), tmp_path / "plain")
    for (name, one), other in zip(watched.state_dict().items(), plain.state_dict().values(), strict=True):
        assert torch.equal(one, other), name


def test_norms_are_those_of_each_term_alone(tmp_path):
    rows = train(Model(pull=0.5), tmp_path, epochs=1)
    norms = {}
    for name in ("fit", "pull"):
        model = Model(pull=0.5)
        model.losses(None, None)[name].backward()
        norms[name] = torch.cat([model.user.grad, model.item.grad]).norm().item()
    assert rows[0]["gradient/pull"] == pytest.approx(norms["pull"] / sum(norms.values()), rel=1e-5)


def test_a_penalty_is_known_as_one_inside_another_objective():
    from recsys_cl.config import load_recipe
    from recsys_cl.stages.assemble import penalties

    assert penalties(load_recipe("dns")) == penalties(load_recipe("lightgcn")) == {"l2"}
