"""Each gate lets through what it should and says what it saw."""

from __future__ import annotations

from itertools import accumulate, chain, cycle
from types import SimpleNamespace
from typing import Any, cast

import pytest

from recsys_cl.serving import answer
from recsys_cl.serving.bundle import Bundle
from recsys_cl.stages import gates
from recsys_cl.stages.gates import latency_gate

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
