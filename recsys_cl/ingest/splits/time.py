"""The past is train, then comes valid, the end is test: one clock for all users, as in production."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from recsys_cl.core.errors import Refused
from recsys_cl.ingest.preparing.coded_log import NOWHERE, TEST, TRAIN, VALID, CodedLog
from recsys_cl.ingest.preparing.instants import duration, instant, nth_from_end, told
from recsys_cl.ingest.preparing.recency import check_fraction


class GlobalTime:
    """Split all users at the same two instants.

    An instant belongs to one part whole: valid is ``valid_from <= t < test_from``, test is ``test_from <= t``.

    Args:
        valid: share of the logged events, or the ISO 8601 time at which valid begins (no offset: UTC).
        test: the same for test.
        gap: so long before valid begins, and before test begins, events are in no part: what a model made and deployed by
            then could not have known. Where the parts begin does not change.

    A share becomes the time of the n-th logged event, n counted from the end. All logged events are counted, also those
    a filter or the removal of repeats takes out, so the cut depends on the clock alone and never on who met what later.
    """

    order: ClassVar[str] = "global"  # what is promised of time across parts; an audit holds the split to it

    def __init__(self, valid: float | str = 0.1, test: float | str = 0.1, *, gap: str = "0d") -> None:
        if isinstance(valid, str) != isinstance(test, str):
            raise Refused("prepare.split: valid and test must both be shares or both be times")
        if isinstance(valid, float) and isinstance(test, float):
            check_fraction(valid, "prepare.split.valid")
            check_fraction(test, "prepare.split.test")
            check_fraction(valid + test, "prepare.split: valid + test")
        elif instant(str(valid), "prepare.split.valid") >= instant(str(test), "prepare.split.test"):
            raise Refused("prepare.split.test: must lie after the time at which valid begins")
        self.valid, self.test = valid, test
        self.gap = duration(gap, "prepare.split.gap")

    def __call__(self, log: CodedLog) -> NDArray[np.int8]:
        """Parts [N]. Refuses times outside the log, and logs without times."""
        clock = log.clock
        if clock[0] == clock[-1]:
            raise Refused("prepare.split: all events have one time, so they cannot be split by time; use another split")
        valid_from, test_from = self._cuts(clock)
        parts = np.full(len(log), NOWHERE, dtype=np.int8)
        parts[log.times < valid_from - self.gap] = TRAIN
        parts[(log.times >= valid_from) & (log.times < test_from - self.gap)] = VALID
        parts[log.times >= test_from] = TEST
        return parts

    def _cuts(self, clock: NDArray[np.int64]) -> tuple[int, int]:
        if isinstance(self.valid, str):
            cuts = instant(self.valid, "prepare.split.valid"), instant(str(self.test), "prepare.split.test")
            for name, cut in zip(("valid", "test"), cuts, strict=True):
                if not clock[0] < cut <= clock[-1]:
                    raise Refused(
                        f"prepare.split.{name}: {told(cut)} is outside the log ({told(clock[0])} to {told(clock[-1])})"
                    )
            return cuts
        test = float(self.test)
        return nth_from_end(clock, self.valid + test), nth_from_end(clock, test)
