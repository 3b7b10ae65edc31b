"""The same share of every user's interactions is held out: the newest, or drawn by a seed."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from recsys_cl.ingest.preparing.coded_log import TEST, TRAIN, VALID, CodedLog
from recsys_cl.ingest.preparing.lottery import draw
from recsys_cl.ingest.preparing.recency import check_fraction, from_last, lengths, share


class Ratio:
    """Hold out ``valid`` and ``test`` of each user's interactions, rounded down; short histories stay in train.

    With ``random`` the held-out ones are drawn by ``seed``, independent of the order of rows; otherwise they are the
    newest, test after valid.
    """

    def __init__(self, valid: float = 0.1, test: float = 0.1, *, random: bool = False, seed: int = 0) -> None:
        check_fraction(valid, "prepare.split.valid")
        check_fraction(test, "prepare.split.test")
        check_fraction(valid + test, "prepare.split: valid + test")
        self.valid, self.test, self.random, self.seed = valid, test, random, seed
        self.order = "none" if random else "user"

    def __call__(self, log: CodedLog) -> NDArray[np.int8]:
        """Parts [N]."""
        place = from_last(log.users, draw(log, self.seed, "ratio") if self.random else None)
        count = lengths(log.users)
        tests = share(count, self.test)
        parts = np.full(len(log), TRAIN, dtype=np.int8)
        parts[place < tests + share(count, self.valid)] = VALID
        parts[place < tests] = TEST
        return parts
