"""Windows that slide: each tests the stretch after the one before, trains on all before, and never sees what is later."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys_cl.core.errors import Refused
from recsys_cl.core.settings import Component
from recsys_cl.ingest.prepare import Prepare
from recsys_cl.ingest.preparing.coded_log import NOWHERE, TEST, TRAIN, VALID
from recsys_cl.ingest.preparing.preparation import prepare
from recsys_cl.ingest.splits.rolling import Rolling
from tests.ingest.coded import ROWS, coded, write_log


def at(*seconds):
    return coded([(0, row, second * 1_000_000) for row, second in enumerate(seconds)])


def told(log, parts, part):
    return [int(time) // 1_000_000 for time in log.times[parts == part]]


def test_three_windows_of_two_seconds_by_hand():
    log = at(*range(12))
    # The log ends just after second 11, so the windows begin just after 5, 7 and 9: at 6, 8 and 10 whole seconds.
    for window, tested in ((1, [6, 7]), (2, [8, 9]), (3, [10, 11])):
        parts = Rolling(window, 3, "2s")(log)
        assert told(log, parts, TEST) == tested
        assert told(log, parts, VALID) == [tested[0] - 2, tested[0] - 1]
        assert told(log, parts, TRAIN) == list(range(tested[0] - 2))
        assert told(log, parts, NOWHERE) == list(range(tested[1] + 1, 12))


def test_a_gap_comes_off_what_is_before():
    log = at(*range(12))
    parts = Rolling(2, 3, "2s", gap="1s")(log)
    assert told(log, parts, TEST) == [8, 9]
    assert told(log, parts, VALID) == [6]
    assert told(log, parts, TRAIN) == [0, 1, 2, 3, 4]
    assert told(log, parts, NOWHERE) == [5, 7, 10, 11]


def test_a_share_is_what_a_window_holds_on_average():
    log = at(*range(100))
    assert [(Rolling(window, 4, 0.1)(log) == TEST).sum() for window in (1, 2, 3, 4)] == [10, 10, 10, 10]


@settings(deadline=None, max_examples=50)
@given(rows=ROWS, windows=st.integers(1, 4), length=st.floats(0.02, 0.18))
def test_windows_are_equally_long_follow_each_other_and_end_with_the_log(rows, windows, length):
    log = coded(rows)
    try:
        parts = [Rolling(window, windows, length)(log) for window in range(1, windows + 1)]
    except Refused:
        return
    tested = sum((each == TEST).astype(int) for each in parts)
    assert tested.max() <= 1, "no event is tested twice"
    assert tested[-1] == 1, "the last event is tested"
    begins = int(tested.argmax())
    assert tested[begins:].all(), "no event between two windows is left out"
    for earlier, later in pairwise(parts):
        assert (later[earlier == TEST] == VALID).all(), "what was tested is what the next is chosen on"
        assert (later[earlier == TRAIN] == TRAIN).all()
    for each in parts:
        for first, second in ((TRAIN, VALID), (VALID, TEST), (TEST, NOWHERE)):
            if (each == first).any() and (each == second).any():
                assert log.times[each == first].max() < log.times[each == second].min()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"window": 0}, r"split\.window: must be one of 1 \.\. 3"),
        ({"window": 4}, r"split\.window: must be one of 1 \.\. 3"),
        ({"length": 0.3}, r"length \* \(windows \+ 1\): must lie between 0 and 1"),
        ({"length": "0d"}, r"split\.length: must be longer"),
        ({"length": "soon"}, r"split\.length: 'soon' is not a duration"),
        ({"length": "1s", "gap": "x"}, r"split\.gap: 'x' is not a duration"),
        ({"length": "3s"}, r"3 windows leave nothing to train on in a log from 1970-01-01T00:00:00"),
    ],
)
def test_refusals(arguments, message):
    with pytest.raises(Refused, match=message):
        Rolling(**arguments)(at(*range(12)))


def test_what_is_left_out_is_prepared_nowhere_and_counted(tmp_path):
    rows = [(f"u{n % 4}", f"i{n}", n) for n in range(24)]
    log = write_log(tmp_path / "log.parquet", rows)
    split = Component.model_validate({"use": "rolling", "window": 1, "windows": 3, "length": "4s", "gap": "1s"})
    made = prepare(log, Prepare(split=split), tmp_path)
    assert [len(part.users) for part in made.parts] == [7, 3, 4]
    assert made.counts["left_out"] == 24 - 7 - 3 - 4
    assert made.item_ids.to_pylist() == sorted(f"i{n}" for n in range(7)), "nothing later is known"
    assert "left_out" not in prepare(log, Prepare(), tmp_path).counts


def test_a_gap_that_takes_a_part_whole_is_refused(tmp_path):
    log = write_log(tmp_path / "log.parquet", [(f"u{n % 4}", f"i{n}", n) for n in range(20)])
    split = Component.model_validate({"use": "time", "valid": 0.1, "test": 0.1, "gap": "2s"})
    with pytest.raises(Refused, match=r"leaves valid without interactions \(train 14, valid 0, test 2\)"):
        prepare(log, Prepare(split=split), tmp_path)


def test_a_repeat_that_is_later_may_not_change_train():
    with pytest.raises(Refused, match="'last' would let later events change train"):
        Prepare(split=Component(use="rolling"), repeats="last")
