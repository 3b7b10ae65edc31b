"""Two made-up shops with customers in common, who like in the second what they like in the first; or, as a control, do not."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from recsys_cl.core.chance import derive
from recsys_cl.ingest.synthetic.catalogue import catalogue, identifiers
from recsys_cl.ingest.synthetic.events import events
from recsys_cl.ingest.synthetic.planted import Planted, plant
from recsys_cl.ingest.synthetic.world import World

DOMAINS = ("books", "films")
"""What the shops sell; communities of the same number are the same taste in both."""


@dataclass(frozen=True, slots=True, eq=False)
class Twins:
    """The truth behind two logs: customer number ``n`` of each is the same person where ``n`` is below ``shared``."""

    shops: tuple[Planted, Planted]
    shared: int

    def user_ids(self, shop: int) -> pa.Array:
        """Ids by position: those of shared customers are equal in both shops."""
        numbers = self.shops[shop].user_numbers
        own = pc.binary_join_element_wise(DOMAINS[shop], identifiers("user", numbers), "-")
        return pc.if_else(pa.array(numbers < self.shared), identifiers("user", numbers), own)

    def item_ids(self, shop: int) -> pa.Array:
        """Ids by position, of other words in each shop."""
        return pc.binary_join_element_wise(DOMAINS[shop], identifiers("item", self.shops[shop].item_numbers), "-")

    def log(self, shop: int) -> Iterator[dict[str, pa.Array]]:
        """Columns ``user_id``, ``item_id``, ``timestamp`` (microseconds, UTC), block by block."""
        users, items = self.user_ids(shop), self.item_ids(shop)
        for block in events(self.shops[shop]):
            yield {
                "user_id": users.take(pa.array(block.users)),
                "item_id": items.take(pa.array(block.items)),
                "timestamp": pa.array(block.seconds * 1_000_000).cast(pa.timestamp("us")),
            }

    def items(self) -> pa.Table:
        """One row an item: ``item_id``, ``title``, ``category`` and ``domain``."""
        tables = []
        for name, shop in zip(DOMAINS, self.shops, strict=True):
            known = catalogue(shop).select(["item_id", "title", "category"])
            ids = pc.binary_join_element_wise(name, known["item_id"], "-")
            told = known.set_column(0, "item_id", ids)
            tables.append(told.append_column("domain", pa.array([name] * len(told))))
        return pa.concat_tables(tables)


def plant_twins(worlds: tuple[World, World], shared: int, *, alike: bool) -> Twins:
    """Draw the truth of two worlds; ``alike``: in the second, shared customers have the tastes that they have in the first."""
    seeds = [derive(world.seed, "twins", name) for world, name in zip(worlds, DOMAINS, strict=True)]
    first, second = (plant(world.model_copy(update={"seed": seed})) for world, seed in zip(worlds, seeds, strict=True))
    if alike:
        place = np.empty(len(first.user_numbers), dtype=np.int64)
        place[first.user_numbers] = np.arange(len(place))
        common = np.flatnonzero(second.user_numbers < shared)
        same = place[second.user_numbers[common]]
        liked, liking = second.liked.copy(), second.liking.copy()
        liked[common], liking[common] = first.liked[same], first.liking[same]
        second = replace(second, liked=liked, liking=liking)
    return Twins((first, second), shared)
