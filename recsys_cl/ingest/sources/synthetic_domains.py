"""A made-up log of two domains whose customers overlap, with shared tastes planted or, as a control, with none."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import numpy as np
import pyarrow as pa

from recsys_cl.core.errors import Refused
from recsys_cl.ingest.reading.batches import row_batch
from recsys_cl.ingest.source import RawLog, row_schema
from recsys_cl.ingest.synthetic.twins import DOMAINS, Twins, plant_twins
from recsys_cl.ingest.synthetic.world import World

_SCHEMA = row_schema({"user_id": pa.string(), "item_id": pa.string(), "timestamp": pa.timestamp("us")})


class SyntheticDomains:
    """``books`` with a long log and ``films`` with a short one; the model of each is told in ``ingest.synthetic``.

    The item table has a column ``domain``.

    Args:
        users: customers of each domain.
        shared: how many of them are customers of both.
        items: of each domain.
        events: of ``books`` and of ``films``.
        tastes: ``shared``: who shops in both likes the same in both; ``own``: what is liked here says nothing of there.
        communities, days, start, session, follow, again, stray, fresh: of both, as in ``synthetic``.
        seed: offered by the pipeline.
    """

    def __init__(
        self,
        *,
        seed: int,
        users: int = 2_000,
        shared: int = 1_400,
        items: int = 500,
        events: tuple[int, int] = (60_000, 9_000),
        tastes: Literal["shared", "own"] = "shared",
        communities: int = 10,
        days: float = 180.0,
        start: str = "2024-01-01",
        session: float = 3.0,
        follow: float = 0.1,
        again: float = 0.0,
        stray: float = 0.1,
        fresh: float = 0.0,
    ) -> None:
        if not 0 <= shared <= users:
            raise Refused(f"ingest.source.shared: must lie between 0 and the number of users, {users}; got {shared}")
        laws = {"follow": follow, "again": again, "stray": stray, "fresh": fresh, "session": session}
        first, second = (
            World(users=users, items=items, events=count, communities=communities, days=days, seed=seed, start=start, **laws)
            for count in events
        )
        self.worlds, self.shared, self.alike = (first, second), shared, tastes == "shared"

    @property
    def planted(self) -> Twins:
        """The truth behind the log."""
        return plant_twins(self.worlds, self.shared, alike=self.alike)

    def files(self) -> list[Path]:
        """Nothing is read."""
        return []

    def read(self, scratch: Path) -> RawLog:  # noqa: ARG002 - nothing is put by
        """Generate both logs, one after the other."""
        twins = self.planted
        return RawLog(_SCHEMA, _batches(twins), DOMAINS, twins.items())


def _batches(twins: Twins) -> Iterator[pa.RecordBatch]:
    for shop in range(len(DOMAINS)):
        row = 0
        for columns in twins.log(shop):
            lines = np.arange(row, row + len(columns["user_id"]))
            yield row_batch(_SCHEMA, columns, shop, pa.array(lines))
            row += len(lines)
