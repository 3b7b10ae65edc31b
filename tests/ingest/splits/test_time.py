"""The time split: strict boundaries, instants whole, explicit rule for shares, refusals that name the key."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys_cl.core.errors import Refused
from recsys_cl.ingest.preparing.coded_log import NOWHERE, TEST, TRAIN, VALID
from recsys_cl.ingest.splits.time import GlobalTime
from tests.ingest.coded import ROWS, coded


def at(*seconds):
    return coded([(0, row, second * 1_000_000) for row, second in enumerate(seconds)])


def test_shares_count_from_the_end():
    parts = GlobalTime(valid=0.2, test=0.1)(at(*range(10)))
    assert parts.tolist() == [TRAIN] * 7 + [VALID] * 2 + [TEST]


def test_an_instant_belongs_to_one_part_whole():
    parts = GlobalTime(valid=0.2, test=0.2)(at(0, 1, 2, 3, 4, 5, 6, 9, 9, 9))
    assert parts.tolist() == [TRAIN] * 6 + [VALID] + [TEST] * 3


@settings(deadline=None, max_examples=50)
@given(rows=ROWS, valid=st.floats(0.05, 0.4), test=st.floats(0.05, 0.4))
def test_no_event_of_an_earlier_part_is_as_late_as_one_of_a_later_part(rows, valid, test):
    log = coded(rows)
    if log.clock[0] == log.clock[-1]:
        return
    parts = GlobalTime(valid=valid, test=test)(log)
    ends = {part: log.times[parts == part] for part in (TRAIN, VALID, TEST)}
    for earlier, later in ((TRAIN, VALID), (VALID, TEST), (TRAIN, TEST)):
        if len(ends[earlier]) and len(ends[later]):
            assert ends[earlier].max() < ends[later].min()


def test_a_part_begins_at_its_time():
    parts = GlobalTime(valid="1970-01-01T00:00:02", test="1970-01-01T02:00:03+02:00")(at(0, 1, 2, 3, 4))
    assert parts.tolist() == [TRAIN, TRAIN, VALID, TEST, TEST]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"valid": "1970-01-01", "test": "1970-01-01T00:00:02"}, r"split\.valid: .* outside the log"),
        ({"valid": "1970-01-01T00:00:02", "test": "2030-01-01"}, r"split\.test: .* outside the log"),
        ({"valid": "1970-01-03", "test": "1970-01-02"}, r"split\.test: must lie after"),
        ({"valid": "1970-01-02", "test": "1970-01-02"}, r"split\.test: must lie after"),
        ({"valid": "soon", "test": "1970-01-02"}, r"split\.valid: 'soon' is not an ISO 8601 time"),
        ({"valid": 0.1, "test": "1970-01-02"}, "both be shares or both be times"),
        ({"valid": 0.0, "test": 0.1}, r"split\.valid: must lie between 0 and 1"),
        ({"valid": 0.5, "test": 0.5}, r"valid \+ test: must lie between 0 and 1"),
    ],
)
def test_refusals(arguments, message):
    with pytest.raises(Refused, match=message):
        GlobalTime(**arguments)(at(0, 1, 2, 3, 4))


def test_events_of_a_gap_are_in_no_part_and_the_parts_begin_where_they_did():
    parts = GlobalTime(valid=0.3, test=0.2, gap="2s")(at(*range(10)))
    assert parts.tolist() == [TRAIN] * 3 + [NOWHERE] * 2 + [VALID] + [NOWHERE] * 2 + [TEST] * 2
    assert (GlobalTime(valid=0.3, test=0.2, gap="1.5s")(at(*range(10))) == NOWHERE).sum() == 2


@settings(deadline=None, max_examples=50)
@given(rows=ROWS, gap=st.integers(0, 5))
def test_a_gap_takes_away_and_moves_nothing(rows, gap):
    log = coded([(user, item, second * 1_000_000) for user, item, second in rows])
    if log.clock[0] == log.clock[-1]:
        return
    whole, open_ = (GlobalTime(valid=0.2, test=0.2, gap=g)(log) for g in ("0d", f"{gap}s"))
    assert not (whole == NOWHERE).any()
    assert ((open_ == whole) | (open_ == NOWHERE)).all()
    assert ((open_ == TEST) == (whole == TEST)).all()
    for earlier, later in ((TRAIN, VALID), (VALID, TEST), (TRAIN, TEST)):
        kept, begun = log.times[open_ == earlier], log.times[whole == later]
        if len(kept) and len(begun):
            assert kept.max() < begun.min() - gap * 1_000_000


@pytest.mark.parametrize("gap", ["7", "7 d", "-7d", "d", "7D", "seven", "1e3s", "\u0667d"])
def test_what_is_no_duration_is_refused(gap):
    with pytest.raises(Refused, match=r"split\.gap: .* is not a duration such as"):
        GlobalTime(gap=gap)


def test_one_instant_cannot_be_split():
    with pytest.raises(Refused, match="all events have one time"):
        GlobalTime()(at(5, 5, 5))
