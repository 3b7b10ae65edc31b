"""Each gate lets through what it should and says what it saw."""

from __future__ import annotations

from itertools import accumulate, chain, cycle
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
import torch

from recsys_cl.evaluation.compare import bootstrap_intervals, covering_interval, paired_interval
from recsys_cl.serving import answer
from recsys_cl.serving.bundle import Bundle
from recsys_cl.stages import gates
from recsys_cl.stages.gates import difference_gate, latency_gate
from recsys_cl.stages.requirement import parse_requirement

ALL = [f"u{n}" for n in range(30)]


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Answers of 2 ms, and every tenth of 50 ms, by a clock of our own; whom each was for, and how long its list."""
    took = chain.from_iterable((0.0, 0.050 if number % 10 == 9 else 0.002) for number in range(200))
    seen: list[Any] = []
    monkeypatch.setattr(gates, "perf_counter", cycle(list(accumulate(took))).__next__)
    monkeypatch.setattr(answer, "recommend", lambda _bundle, users, k: seen.append((*users, k)))
    return seen


@pytest.mark.parametrize(("limit", "verdict"), [(49.0, "blocked"), (51.0, "ok")])
def test_one_answer_in_twenty_may_be_slower_and_no_more(asked: list[Any], limit: float, verdict: str) -> None:
    model = cast("Bundle", SimpleNamespace(user_ids=ALL, item_ids=["i1", "i2", "i3"]))
    gate = latency_gate(model, limit, 20)
    assert (gate.name, gate.verdict, gate.limit) == ("latency", verdict, limit)
    assert gate.value == pytest.approx(50.0)
    assert gate.said == "50.00 ms at the 95th percentile"
    assert set(asked) == {(user, 3) for user in ALL}, "one user at a time, and no longer lists than there are items"


def test_without_a_limit_nobody_is_asked(asked: list[Any]) -> None:
    gate = latency_gate(cast("Bundle", None), None, 20)
    assert (gate.verdict, gate.said, asked) == ("ok", "not asked for", [])


@pytest.mark.parametrize(
    ("users", "differing", "said"),
    [
        (52, 52, "ndcg@20 +0.10000: 52 users, too few to say"),
        (499, 499, "ndcg@20 +0.10000: 499 users, too few to say"),
        (600, 29, "ndcg@20 +0.00483: 600 users, of whom 29 differ, too few to say"),
    ],
)
def test_few_users_replace_nobody(users: int, differing: int, said: str) -> None:
    gate = difference_gate("ndcg@20", np.where(np.arange(users) < differing, 0.1, 0.0), 0.0)
    assert (gate.verdict, gate.said) == ("blocked", said)
    assert difference_gate("ndcg@20", np.full(500, 0.1), 0.0).verdict == "ok"


@pytest.mark.parametrize(("seed", "side"), [(9, 1), (20, 1), (1, -1)])
def test_where_t_and_bootstrap_part_a_gate_says_no_as_a_claim_does(seed: int, side: int) -> None:
    rng = np.random.default_rng(seed)
    differences = side * np.where(rng.random(600) < 0.1, rng.exponential(1, 600) - 0.85, 0.0)
    if side < 0:
        differences += 0.0001 - paired_interval(differences, 0 * differences).low  # by t alone just above 0
    drawn = torch.Generator().manual_seed(0)
    [resampled] = bootstrap_intervals(differences[:, None], drawn)
    assert (paired_interval(differences, 0 * differences).low > 0) != (resampled.low > 0), "the case that is meant"
    assert difference_gate("ndcg@20", differences, 0.0).verdict == "blocked"
    claim = parse_requirement("ndcg@20 > 0 at 95%")
    assert claim.judge(differences, covering_interval(differences, drawn), 0.5)["holds"] is False
