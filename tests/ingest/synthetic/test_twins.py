"""Two made-up shops: shared people have shared tastes where that was planted, and nobody else has."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from recsys_cl.core.errors import Refused
from recsys_cl.ingest.sources.synthetic_domains import SyntheticDomains
from recsys_cl.ingest.synthetic.twins import Twins


def favourites(twins: Twins) -> tuple[np.ndarray, np.ndarray]:
    """The best-liked community of each shared person, in both shops."""
    found = []
    for shop in twins.shops:
        place = np.argsort(shop.user_numbers)[: twins.shared]
        found.append(shop.liked[place, 0])
    return found[0], found[1]


def source(tastes: str) -> SyntheticDomains:
    return SyntheticDomains(seed=3, users=300, shared=200, items=60, events=(3000, 900), tastes=tastes)


def test_shared_people_like_the_same_where_that_is_planted() -> None:
    one, other = favourites(source("shared").planted)
    assert (one == other).all()


def test_as_a_control_they_do_not() -> None:
    one, other = favourites(source("own").planted)
    assert (one == other).mean() < 0.2, "ten communities: one in ten by chance"


def test_ids_say_who_is_shared_and_items_of_what_domain_they_are() -> None:
    log = source("shared").read(None)
    rows = pa.Table.from_batches(log.batches).to_pandas()
    books = rows.item_id.str.startswith("books-")
    assert books.sum() == 3000
    assert (~books).sum() == 900
    both = set(rows.user_id[books]) & set(rows.user_id[~books])
    assert len(both) > 50
    assert all(user.startswith("user-") for user in both)
    known = dict(zip(log.items["item_id"].to_pylist(), log.items["domain"].to_pylist(), strict=True))
    assert all(known[item] == item.partition("-")[0] for item in rows.item_id)


def test_more_shared_people_than_people_are_refused() -> None:
    with pytest.raises(Refused, match=r"ingest\.source\.shared"):
        SyntheticDomains(seed=1, users=10, shared=11)
