"""One of several windows that slide through time: train on all before, test on a stretch, move on by that stretch."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from recsys_cl.core.errors import Refused
from recsys_cl.ingest.preparing.coded_log import NOWHERE, TEST, TRAIN, VALID, CodedLog
from recsys_cl.ingest.preparing.instants import duration, nth_from_end, told
from recsys_cl.ingest.preparing.recency import check_fraction


class Rolling:
    """Test is ``t <= time < t + d``, valid the stretch ``d`` before it, train all before that; what is later is in no part.

    ``t`` is such that the last window ends with the log and each is ``d`` after the one before.

    Args:
        window: which one, 1 is the earliest; where several settings are compared, all are made.
        windows: how many there are.
        length: ``d``: a duration such as ``"7d"``, or the share of the logged events that a window holds on average.
        gap: so long before valid, and before test, events are in no part.
    """

    order: ClassVar[str] = "global"

    def __init__(self, window: int = 1, windows: int = 3, length: float | str = 0.1, *, gap: str = "0d") -> None:
        if not 1 <= window <= windows:
            raise Refused(f"prepare.split.window: must be one of 1 .. {windows} (windows), got {window}")
        if isinstance(length, float):
            check_fraction(length, "prepare.split.length")
            check_fraction(length * (windows + 1), "prepare.split: length * (windows + 1)")
        elif duration(str(length), "prepare.split.length") <= 0:
            raise Refused("prepare.split.length: must be longer than nothing")
        self.window, self.windows, self.length = window, windows, length
        self.gap = duration(gap, "prepare.split.gap")

    def __call__(self, log: CodedLog) -> NDArray[np.int8]:
        """Parts [N]. Refuses a log that is too short for so many windows."""
        clock = log.clock
        end = int(clock[-1]) + 1
        long = self._long(clock, end)
        test_from = end - (self.windows - self.window + 1) * long
        valid_from = test_from - long
        if end - (self.windows + 1) * long <= clock[0]:
            span = f"{told(clock[0])} to {told(clock[-1])}"
            raise Refused(f"prepare.split: {self.windows} windows leave nothing to train on in a log from {span}")
        parts = np.full(len(log), NOWHERE, dtype=np.int8)
        parts[log.times < valid_from - self.gap] = TRAIN
        parts[(log.times >= valid_from) & (log.times < test_from - self.gap)] = VALID
        parts[(log.times >= test_from) & (log.times < test_from + long)] = TEST
        return parts

    def _long(self, clock: NDArray[np.int64], end: int) -> int:
        """The length of a window; given as a share, the first begins at the event from which on all their share is."""
        if isinstance(self.length, str):
            return duration(self.length, "prepare.split.length")
        return -(-(end - nth_from_end(clock, self.length * self.windows)) // self.windows)
