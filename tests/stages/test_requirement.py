"""A claim is read strictly, and holds only where the whole interval of enough users agrees."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from recsys_cl.core.errors import Refused
from recsys_cl.evaluation.compare import covering_interval
from recsys_cl.stages.requirement import parse_requirement

NOISE = np.random.default_rng(0).normal(0, 0.1, 600)
NOISE -= NOISE.mean()


def judge(text, gain, users=600):
    return decide(text, (NOISE + gain)[:users])


def decide(text, differences):
    claim = parse_requirement(text)
    return claim.judge(differences, covering_interval(differences, torch.Generator().manual_seed(0), claim.level), 0.5)


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("ndcg@10 > 0 at 95%", ("ndcg@10", True, 0.0, False, 0.95)),
        ("  recall@20>-1e-3   at 99.5 % ", ("recall@20", True, -0.001, False, 0.995)),
        ("mrr@5 < +.25 AT 50%", ("mrr@5", False, 0.25, False, 0.5)),
        ("recall@20 > -1% at 99%", ("recall@20", True, -1.0, True, 0.99)),
    ],
)
def test_is_read(text, read):
    found = parse_requirement(text)
    assert (found.metric, found.above, found.bound, found.relative, found.level) == pytest.approx(read)
    assert found.text == text


@pytest.mark.parametrize(
    "text",
    ["", "ndcg@10", "ndcg@10 > 0", "ndcg@10 >= 0 at 95%", "ndcg@10 > 0 at 95", "ndcg@10 > x at 95%", "ndcg@10 > 0 at 95% or so",
     "ndcg@10 > nan at 95%", "ndcg @10 > 0 at 95%", "> 0 at 95%", "ndcg@10 > 0 at -95%", "ndcg@10 > 0 at 100%", "ndcg@10 > 0 at 5%"],
)  # fmt: skip
def test_nothing_else_is(text):
    with pytest.raises(Refused, match="--require"):
        parse_requirement(text)


@pytest.mark.parametrize(
    ("text", "gain", "holds"),
    [
        ("m > 0 at 95%", 0.02, True),
        ("m > 0 at 95%", 0.005, False),  # the standard error is 0.004
        ("m > 0 at 50%", 0.005, True),
        ("m > 0.015 at 95%", 0.02, False),
        ("m > -0.02 at 95%", 0.0, True),
        ("m < 0 at 95%", -0.02, True),
        ("m < 0 at 95%", 0.02, False),
        ("m > -2% at 95%", 0.0, True),  # of a mean of 0.5
        ("m > -1% at 95%", 0.0, False),
    ],
)
def test_holds_where_the_whole_interval_agrees(text, gain, holds):
    found = judge(text, gain)
    assert found["holds"] is holds
    assert found["difference"] == pytest.approx(gain, abs=1e-12)
    assert found["interval"][0] < gain < found["interval"][1]


def test_the_interval_is_of_the_level_asked_for():
    widths = [np.diff(judge(f"m > 0 at {level}%", 0.0)["interval"])[0] for level in (68.27, 95.45, 99.73)]
    assert widths == pytest.approx([2 * width * NOISE.std() / 600**0.5 for width in (1, 2, 3)], rel=0.1)


def test_few_users_prove_nothing():
    found = judge("m > 0 at 95%", 0.5, users=499)
    assert found["interval"][0] > 0
    assert (found["reliable"], found["holds"], found["users"]) == (False, False, 499)
    few = decide("m > 0 at 95%", (np.arange(600) < 29).astype(float))
    assert (few["decided"], few["holds"]) == (29, False)
