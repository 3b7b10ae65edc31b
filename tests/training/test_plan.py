"""The learning rate follows the epoch alone; values out of range are refused."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from recsys_cl.training.plan import Plan


def test_warmup_rises_linearly_then_stays():
    plan = Plan(epochs=6, learning_rate=0.4, warmup=3)
    assert [plan.rate(e) for e in range(1, 7)] == pytest.approx([0.1, 0.2, 0.3, 0.4, 0.4, 0.4])


def test_cosine_starts_at_the_rate_is_half_way_down_in_the_middle_and_never_zero():
    plan = Plan(epochs=4, learning_rate=0.4, schedule="cosine")
    rates = [plan.rate(e) for e in range(1, 5)]
    assert rates[0] == pytest.approx(0.4)
    assert rates[2] == pytest.approx(0.2)
    assert rates == sorted(rates, reverse=True)
    assert rates[-1] > 0


@pytest.mark.parametrize(
    "wrong",
    [
        {"epochs": -1},
        {"epochs": 1.5},
        {"learning_rate": 0.0},
        {"learning_rate": float("nan")},
        {"learning_rate": "fast"},
        {"clip": 0.0},
        {"patience": 0},
        {"evaluate_every": 0},
        {"optimizer": "lbfgs"},
        {"learning_rte": 0.1},
    ],
)
def test_values_out_of_range_and_misspelt_keys_are_refused(wrong):
    with pytest.raises(ValidationError, match=next(iter(wrong))):
        Plan(**wrong)
