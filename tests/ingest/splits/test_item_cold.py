"""Whole items are held out: nobody in train has met one, and which ones they are depends on the seed alone."""

from __future__ import annotations

import numpy as np
import pytest

from recsys_cl.core.errors import Refused
from recsys_cl.ingest.preparing.coded_log import PARTS, TEST, TRAIN, VALID
from recsys_cl.ingest.splits.item_cold import ItemCold
from tests.ingest.coded import coded

ROWS = [(user, (user * 7 + step) % 50, step) for user in range(40) for step in range(9)]


def test_no_item_lies_in_two_parts_and_shares_are_of_the_items() -> None:
    log = coded(ROWS)
    parts = ItemCold(valid=0.1, test=0.2, seed=4)(log)
    items = [set(log.items[parts == part].tolist()) for part in range(len(PARTS))]
    assert [len(each) for each in items] == [35, 5, 10]
    assert len(set.union(*items)) == 50


def test_the_seed_decides() -> None:
    log = coded(ROWS)
    one, again, other = (ItemCold(seed=seed)(log) for seed in (1, 1, 2))
    assert (one == again).all()
    assert (one != other).any()
    assert set(np.unique(one).tolist()) == {TRAIN, VALID, TEST}


def test_shares_that_leave_nothing_to_train_on_are_refused() -> None:
    with pytest.raises(Refused, match="2 items are too few"):
        ItemCold()(coded([(0, 0, 1), (1, 1, 2)]))
    with pytest.raises(Refused, match=r"valid \+ test"):
        ItemCold(valid=0.5, test=0.5)
