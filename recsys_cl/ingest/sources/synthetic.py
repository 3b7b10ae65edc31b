"""Made-up logs whose right answers are known, for demos, tests and benchmarks: from thousands to 100 million events."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa

from recsys_cl.ingest.reading.batches import row_batch
from recsys_cl.ingest.source import RawLog, row_schema
from recsys_cl.ingest.synthetic.catalogue import catalogue, identifiers
from recsys_cl.ingest.synthetic.events import EVENTS, events
from recsys_cl.ingest.synthetic.planted import Planted, plant
from recsys_cl.ingest.synthetic.world import World

_SCHEMA = row_schema({"user_id": pa.string(), "item_id": pa.string(), "timestamp": pa.timestamp("us"), "event": pa.string()})


class Synthetic:
    """A shop of ``users`` and ``items`` in latent communities, ``events`` long; the model is told in ``ingest.synthetic``.

    ``planted`` holds the truth: who likes what, and what follows what.

    Args:
        users, items, events: how many; ``events`` is exact, and a user or item may stay without any.
        communities: how many tastes there are.
        days: how long the log lasts.
        start: its first day, ISO 8601.
        session: mean events of a session.
        follow, again, stray, fresh: probabilities of the model's choices.
        seed: offered by the pipeline.
    """

    def __init__(
        self,
        *,
        seed: int,
        users: int = 2_000,
        items: int = 1_200,
        events: int = 80_000,
        communities: int = 12,
        days: float = 180.0,
        start: str = "2024-01-01",
        session: float = 6.0,
        follow: float = 0.4,
        again: float = 0.1,
        stray: float = 0.1,
        fresh: float = 0.15,
    ) -> None:
        self.world = World(
            users=users,
            items=items,
            events=events,
            communities=communities,
            days=days,
            seed=seed,
            start=start,
            session=session,
            follow=follow,
            again=again,
            stray=stray,
            fresh=fresh,
        )

    @property
    def planted(self) -> Planted:
        """The truth behind the log."""
        return plant(self.world)

    def files(self) -> list[Path]:
        """Nothing is read."""
        return []

    def read(self, scratch: Path) -> RawLog:  # noqa: ARG002 - nothing is put by
        """Generate the log as it is asked for; memory is bounded by the catalogue and one block of sessions."""
        planted = self.planted
        return RawLog(_SCHEMA, _batches(planted), ("synthetic",), catalogue(planted))


def _batches(planted: Planted) -> Iterator[pa.RecordBatch]:
    users = identifiers("user", planted.user_numbers)
    items = identifiers("item", planted.item_numbers)
    kinds = pa.array(EVENTS)
    row = 0
    for block in events(planted):
        columns = {
            "user_id": users.take(pa.array(block.users)),
            "item_id": items.take(pa.array(block.items)),
            "timestamp": pa.array(block.seconds * 1_000_000).cast(pa.timestamp("us")),
            "event": kinds.take(pa.array(block.kinds)),
        }
        lines = np.arange(row, row + len(block.users))
        yield row_batch(_SCHEMA, columns, 0, pa.array(lines))
        row += len(lines)
