"""A run that is being written says so every minute, so that hosts which cannot see its process can tell when it has died."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from threading import Event, Thread
from typing import TYPE_CHECKING

from recsys_cl.core.errors import RecsysError

if TYPE_CHECKING:
    from recsys_cl.tracking.store import Store

HEARTBEAT = "recsys_cl.heartbeat"
EVERY = 60.0
"""Seconds."""


def now() -> str:
    """The time as a heartbeat has it: ISO 8601, UTC, whole seconds."""
    return datetime.now(UTC).isoformat(timespec="seconds")


@contextmanager
def beating(store: Store, run_id: str, every: float = EVERY) -> Iterator[None]:
    """Tag the run with the time, at once and every so many seconds until the block ends; a store that fails is asked again."""
    done = Event()
    heart = Thread(target=_beat, args=(store, run_id, every, done), name="heartbeat", daemon=True)
    heart.start()
    try:
        yield
    finally:
        done.set()
        heart.join()


def _beat(store: Store, run_id: str, every: float, done: Event) -> None:
    while True:
        with suppress(RecsysError), store.explained():
            store.client.set_tag(run_id, HEARTBEAT, now())
        if done.wait(every):
            return


def silent(tag: str | None, minutes: float, at: datetime | None = None) -> bool:
    """Whether the last heartbeat is older than ``minutes``; of a run that never had one nothing is known.

    Args:
        tag: the value of `HEARTBEAT`.
        minutes: let them be more than clocks differ and a store may be away.
        at: the time to compare with; now.
    """
    try:
        last = datetime.fromisoformat(tag or "")
    except ValueError:
        return False
    if last.tzinfo is None:
        return False
    return ((at or datetime.now(UTC)) - last).total_seconds() > 60 * minutes
