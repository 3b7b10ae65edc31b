"""Each user's last interaction is test, the one before is valid: the usual split of sequence papers."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from recsys_cl.ingest.preparing.coded_log import TEST, TRAIN, VALID, CodedLog
from recsys_cl.ingest.preparing.recency import from_last, lengths


class LeaveLastOut:
    """Hold out the end of every history; users with fewer than three interactions stay in train whole.

    Events of one user at one instant are ordered as logged. Other users' train events may be later than a test
    event, so this split answers how well histories are continued, not what would have happened on a day.

    Args:
        test: hold out a test part; false leaves the last interaction to valid and nothing to test, for a model that is
            to serve and not to be measured.
    """

    order = "user"

    def __init__(self, *, test: bool = True) -> None:
        self.test = test

    def __call__(self, log: CodedLog) -> NDArray[np.int8]:
        """Parts [N]."""
        place, enough = from_last(log.users), lengths(log.users) >= 3
        parts = np.full(len(log), TRAIN, dtype=np.int8)
        parts[enough & (place == int(self.test))] = VALID
        if self.test:
            parts[enough & (place == 0)] = TEST
        return parts
