"""The past is train, then comes valid, the end is test: one clock for all users, as in production."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from recsys_cl.core.errors import Refused
from recsys_cl.ingest.preparing.coded_log import TEST, TRAIN, VALID, CodedLog
from recsys_cl.ingest.preparing.recency import check_fraction


class GlobalTime:
    """Split all users at the same two instants.

    An instant belongs to one part whole: valid is ``valid_from <= t < test_from``, test is ``test_from <= t``.

    Args:
        valid: share of the logged events, or the ISO 8601 time at which valid begins (no offset: UTC).
        test: the same for test.

    A share becomes the time of the n-th logged event, n counted from the end. All logged events are counted, also those
    a filter or the removal of repeats takes out, so the cut depends on the clock alone and never on who met what later.
    """

    order = "global"  # what is promised of time across parts; an audit holds the split to it

    def __init__(self, valid: float | str = 0.1, test: float | str = 0.1) -> None:
        if isinstance(valid, str) != isinstance(test, str):
            raise Refused("prepare.split: valid and test must both be shares or both be times")
        if isinstance(valid, float) and isinstance(test, float):
            check_fraction(valid, "prepare.split.valid")
            check_fraction(test, "prepare.split.test")
            check_fraction(valid + test, "prepare.split: valid + test")
        elif _instant(str(valid), "valid") >= _instant(str(test), "test"):
            raise Refused("prepare.split.test: must lie after the time at which valid begins")
        self.valid, self.test = valid, test

    def __call__(self, log: CodedLog) -> NDArray[np.int8]:
        """Parts [N]. Refuses times outside the log, and logs without times."""
        clock = log.clock
        if clock[0] == clock[-1]:
            raise Refused("prepare.split: all events have one time, so they cannot be split by time; use another split")
        valid_from, test_from = self._cuts(clock)
        parts = np.full(len(log), TRAIN, dtype=np.int8)
        parts[log.times >= valid_from] = VALID
        parts[log.times >= test_from] = TEST
        return parts

    def _cuts(self, clock: NDArray[np.int64]) -> tuple[int, int]:
        if isinstance(self.valid, str):
            cuts = _instant(self.valid, "valid"), _instant(str(self.test), "test")
            for name, cut in zip(("valid", "test"), cuts, strict=True):
                if not clock[0] < cut <= clock[-1]:
                    raise Refused(
                        f"prepare.split.{name}: {_text(cut)} is outside the log ({_text(clock[0])} to {_text(clock[-1])})"
                    )
            return cuts
        test = float(self.test)
        return _nth_from_end(clock, self.valid + test), _nth_from_end(clock, test)


def _nth_from_end(clock: NDArray[np.int64], fraction: float) -> int:
    count = min(max(int(len(clock) * fraction + 0.5), 1), len(clock))
    return int(clock[len(clock) - count])


def _instant(text: str, name: str) -> int:
    """Microseconds since 1970 UTC."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise Refused(f"prepare.split.{name}: '{text}' is not an ISO 8601 time") from error
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    since = moment - datetime(1970, 1, 1, tzinfo=UTC)
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


def _text(instant: int) -> str:
    return datetime.fromtimestamp(int(instant) / 1e6, tz=UTC).isoformat(timespec="seconds")
