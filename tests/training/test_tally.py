"""Means are exact, and a step that is not finite is blamed on the term that went first."""

from __future__ import annotations

import math

import pytest
import torch

from recsys_cl.core.errors import Diverged, Refused
from recsys_cl.training.plan import Plan
from recsys_cl.training.tally import Tally


def _terms(**values):
    return {name: torch.tensor(value) for name, value in values.items()}


def test_means():
    tally = Tally(epoch=1)
    tally.add(_terms(bpr=1.0, contrast=0.5))
    tally.add(_terms(bpr=2.0, contrast=0.0))
    assert tally.means() == {"bpr": 1.5, "contrast": 0.25}


def test_ten_thousand_small_terms_lose_nothing():
    tally = Tally(epoch=1)
    for _ in range(10_000):
        tally.add({"bpr": torch.tensor(0.1)})
    assert tally.means()["bpr"] == pytest.approx(float(torch.tensor(0.1)), rel=1e-12)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_the_step_itself_is_refused_on_the_cpu(bad):
    tally = Tally(epoch=2)
    tally.add(_terms(bpr=1.0, contrast=1.0))
    with pytest.raises(Diverged, match=r"epoch 2, step 2: loss term 'contrast' is not finite; look at training\.learning_rate"):
        tally.add(_terms(bpr=1.0, contrast=bad))


def test_before_the_first_update_the_objective_is_at_fault():
    with pytest.raises(Diverged, match=r"epoch 1, step 1: loss term 'contrast' .* look at objectives\.contrast$"):
        Tally(epoch=1).add(_terms(bpr=1.0, contrast=math.nan, gradient=math.nan))


def test_where_the_alarm_is_late_the_first_bad_term_is_still_the_one_named(monkeypatch):
    """On an accelerator the flag arrives steps later, when the weights and every term are spoilt."""
    tally = Tally(epoch=1)
    tally.add(_terms(bpr=1.0, contrast=1.0))
    monkeypatch.setattr(tally, "_alarm", torch.zeros((2,), dtype=torch.bool)[0])
    monkeypatch.setattr(tally._alarm, "copy_", lambda *_, **__: None)
    tally.add(_terms(bpr=1.0, contrast=math.nan))
    tally.add(_terms(bpr=math.nan, contrast=math.nan))
    with pytest.raises(Diverged, match="step 2: loss term 'contrast'"):
        tally.means()


def test_no_step_is_refused():
    with pytest.raises(Refused, match="nothing to train on"):
        Tally(epoch=1).means()


def test_a_gradient_that_is_not_finite_stops_before_the_update(bench, script, toy_classes, monkeypatch):
    toy = toy_classes[0]()
    before = toy.user.detach().clone()
    plain = toy.losses

    def losses(batch, rng):
        return plain(batch, rng) | {"root": (toy.user[0] - toy.user[0].detach()).square().sum().sqrt()}  # 0, slope infinite

    monkeypatch.setattr(toy, "losses", losses)
    with pytest.raises(Diverged, match="epoch 1, step 1: the norm of the gradient is not finite; look at objectives"):
        bench.fit(Plan(epochs=2), script(0, 0.1, 0.2), toy=toy)
    assert torch.equal(toy.user, before)
    assert not list(bench.folder.glob("*")) if bench.folder.exists() else True


def test_an_absurd_learning_rate_is_named(bench, script):
    with pytest.raises(Diverged, match=r"training\.learning_rate"):
        bench.fit(Plan(epochs=50, learning_rate=1e30, optimizer="sgd"), script(*range(51)))


def test_a_score_that_is_not_finite_stops_the_run(bench, script):
    with pytest.raises(Diverged, match=r"epoch 2: validation metric 'ndcg@20' is not finite"):
        bench.fit(Plan(epochs=3), script(0, 0.1, math.nan, 0.2))
