"""Seeds that disagree widen the interval, as users do; what only one lucky seed shows is no gain."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from recsys_cl.core.errors import Refused
from recsys_cl.evaluation.replicates import seeded_interval, seeded_p
from recsys_cl.stages.measured import Measured
from recsys_cl.stages.replication import compare_replicates
from recsys_cl.stages.requirement import parse_requirement

USERS = 600
IDS = pd.Index([f"u{number:03}" for number in range(USERS)], name="user_id")
CLAIM = parse_requirement("ndcg@20 > 0 at 95%")


def runs(name, gains, digest="d"):
    """One run a seed, each better by its own gain."""
    found = []
    for seed, gain in enumerate(gains):
        noise = np.random.default_rng([seed, *name.encode()]).normal(0, 0.1, USERS)
        values = pd.DataFrame({"ndcg@20": 0.5 + gain + noise - noise.mean()}, index=IDS)
        found.append(Measured(f"{name}{seed}", values, {"test_digest": digest}, Path()))
    return found


def test_a_gain_of_all_seeds_holds_and_one_of_a_lucky_seed_does_not():
    base = runs("b", [0.0] * 5)
    steady = compare_replicates(runs("a", [0.02, 0.021, 0.019, 0.02, 0.02]), base, [CLAIM])
    lucky = compare_replicates(runs("a", [0.1, 0.0, 0.0, 0.0, 0.0]), base, [CLAIM])
    assert steady["metrics"][0]["difference"] == pytest.approx(lucky["metrics"][0]["difference"])
    assert (steady["holds"], lucky["holds"]) == (True, False)
    assert (steady["metrics"][0]["mark"], lucky["metrics"][0]["mark"]) == ("higher", "")
    assert (steady["seeds"], steady["users"], steady["a"]["name"]) == (5, USERS, "a0,a1,a2,a3,a4")
    assert steady["metrics"][0]["a"] == pytest.approx(0.52)
    json.dumps(steady, allow_nan=False)


def test_p_and_interval_agree_about_the_level():
    stack = np.random.default_rng(0).normal(0.02, 0.1, (5, 200)) + np.random.default_rng(1).normal(0, 0.02, (5, 1))
    p = seeded_p(stack)
    interval = seeded_interval(stack, 1 - p)
    assert min(abs(interval.low), abs(interval.high)) == pytest.approx(0, abs=1e-9)
    assert (seeded_p(np.zeros((4, 3))), seeded_p(np.full((4, 3), 0.5))) == (1, 0)


def test_what_cannot_be_paired_is_refused():
    with pytest.raises(Refused, match="5 runs against 4"):
        compare_replicates(runs("a", [0.0] * 5), runs("b", [0.0] * 4), [])
    with pytest.raises(Refused, match="3 seeds and 600 users"):
        compare_replicates(runs("a", [0.1] * 3), runs("b", [0.0] * 3), [])
    with pytest.raises(Refused, match=r"a0 and b0 stand on different test parts \(d and e\)"):
        compare_replicates(runs("a", [0.1] * 4), runs("b", [0.0] * 4, digest="e"), [])
    with pytest.raises(Refused, match="did you mean 'ndcg@20'"):
        compare_replicates(runs("a", [0.1] * 4), runs("b", [0.0] * 4), [parse_requirement("ndcg@2 > 0 at 95%")])
    with pytest.raises(Refused, match="--metric: 'ndcg@2' was not measured; did you mean 'ndcg@20'"):
        compare_replicates(runs("a", [0.1] * 4), runs("b", [0.0] * 4), [], ["ndcg@2"])


def test_a_metric_asked_for_by_segment_is_said_to_be_left_out():
    found = compare_replicates(runs("a", [0.1] * 4), runs("b", [0.0] * 4), [], ["ndcg@20"])
    assert found["left_out"] == ["ndcg@20 by segment: runs of several seeds are compared as wholes"]


def test_one_run_several_times_is_not_several_seeds():
    ours, theirs = runs("a", [0.1] * 4), runs("b", [0.0] * 4)
    again = replace(ours[0], name=f"./{ours[0].name}/")
    for pair in (([*ours[:3], again], theirs), (theirs, [*ours[:3], again])):
        with pytest.raises(Refused, match=r"\./a0/ stands there twice; give runs of different seeds"):
            compare_replicates(*pair, [])
    seeded = [replace(run, facts={**run.facts, "seed": seed}) for run, seed in zip(ours, (3, 4, 5, 4), strict=True)]
    with pytest.raises(Refused, match="a1 and a3 are both of seed 4"):
        compare_replicates(seeded, theirs, [])
    other = [replace(run, facts={**run.facts, "seed": seed}) for seed, run in enumerate(theirs)]
    assert compare_replicates([*seeded[:3], ours[3]], other, [])["seeds"] == 4, "of one run the seed is not known"
