"""A heart that beats is left alone, one that stopped is noticed from another host, and unknown ones are not guessed at."""

from __future__ import annotations

from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from threading import Event
from types import SimpleNamespace
from typing import Any

import pytest

from recsys_cl.core.errors import Unavailable
from recsys_cl.tracking.experiment import PROCESS, _abandoned
from recsys_cl.tracking.heartbeat import HEARTBEAT, beating, silent
from recsys_cl.tracking.process import here

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("ago", "minutes", "expected"), [(29, 30, False), (31, 30, True), (-5, 30, False)], ids=["fresh", "old", "clock ahead"]
)
def test_silence_is_measured_in_minutes(ago, minutes, expected) -> None:
    assert silent((NOON - timedelta(minutes=ago)).isoformat(), minutes, NOON) is expected


@pytest.mark.parametrize("tag", [None, "", "yesterday", "2026-11-20T00:00:00"])
def test_of_a_run_without_a_heartbeat_nothing_is_known(tag: str | None) -> None:
    assert not silent(tag, 1, NOON)


def test_who_is_abandoned() -> None:
    old = (datetime.now(UTC) - timedelta(hours=2)).isoformat(timespec="seconds")
    elsewhere = {PROCESS: "another-host/1/1", HEARTBEAT: old}
    assert _abandoned(elsewhere, None) == "", "another host is trusted unless it is asked for"
    assert _abandoned(elsewhere, 30) == f"no heartbeat since {old}"
    assert _abandoned({PROCESS: here(), HEARTBEAT: old}, 30) == "", (
        "a process of this host is seen to be alive, whatever the store missed"
    )


class Client:
    """Counts tags; fails at first, as a store does that is away."""

    def __init__(self) -> None:
        self.tags: list[tuple[str, str, str]] = []
        self.calls, self.twice = 0, Event()

    def set_tag(self, run_id: str, key: str, value: str) -> None:
        self.calls += 1
        if self.calls == 1:
            raise Unavailable("the store is away")
        self.tags.append((run_id, key, value))
        self.twice.set()


def test_it_beats_until_the_block_ends_and_survives_a_store_that_is_away() -> None:
    client = Client()
    store: Any = SimpleNamespace(client=client, explained=nullcontext)
    with beating(store, "run", every=0.001):
        assert client.twice.wait(30)
    beats = client.calls
    assert client.tags[0][:2] == ("run", HEARTBEAT)
    assert not silent(client.tags[-1][2], 1)
    assert client.calls == beats, "nobody beats after the end"
