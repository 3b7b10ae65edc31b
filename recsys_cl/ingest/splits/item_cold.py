"""Whole items are held out, drawn by a seed: who would like what nobody has met yet."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from recsys_cl.core.errors import Refused
from recsys_cl.ingest.preparing.coded_log import TEST, TRAIN, VALID, CodedLog
from recsys_cl.ingest.preparing.lottery import draw_numbers
from recsys_cl.ingest.preparing.recency import check_fraction


class ItemCold:
    """All interactions of a share ``valid`` of the items, and of another share ``test``, are held out; the rest is train.

    Shares are rounded down, to one item at least. Which items is drawn by ``seed``, independent of the order of rows.
    Held-out items need ``cold_items = "features"``: without content nobody could be given them.
    """

    order = "none"

    def __init__(self, valid: float = 0.1, test: float = 0.2, *, seed: int = 0) -> None:
        check_fraction(valid, "prepare.split.valid")
        check_fraction(test, "prepare.split.test")
        check_fraction(valid + test, "prepare.split: valid + test")
        self.valid, self.test, self.seed = valid, test, seed

    def __call__(self, log: CodedLog) -> NDArray[np.int8]:
        """Parts [N].

        Raises:
            Refused: there are too few items for one in each part.
        """
        items = np.unique(log.items)
        order = items[np.argsort(draw_numbers(items.astype(np.uint64), self.seed, "item_cold"), kind="stable")]
        tests, valids = (max(1, int(np.floor(len(items) * share + 1e-9))) for share in (self.test, self.valid))
        if len(items) <= tests + valids:
            raise Refused(f"prepare.split: {len(items)} items are too few for one in each part")
        of = np.full(len(log.item_ids), TRAIN, dtype=np.int8)
        of[order[:tests]] = TEST
        of[order[tests : tests + valids]] = VALID
        return np.asarray(of[log.items], dtype=np.int8)
