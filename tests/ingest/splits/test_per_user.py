"""The splits that look at each user alone, against what a list of that user's interactions says."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys_cl.core.errors import Refused
from recsys_cl.ingest.preparing.coded_log import TEST, TRAIN, VALID, Behaviours
from recsys_cl.ingest.splits.leave_last_out import LeaveLastOut
from recsys_cl.ingest.splits.published import Published
from recsys_cl.ingest.splits.ratio import Ratio
from tests.ingest.coded import ROWS, coded


def histories(log, parts):
    users = log.users.tolist()
    return {user: [int(part) for owner, part in zip(users, parts, strict=True) if owner == user] for user in users}


@settings(deadline=None, max_examples=50)
@given(rows=ROWS)
def test_the_last_is_test_and_the_one_before_valid(rows):
    log = coded(rows)
    for history in histories(log, LeaveLastOut()(log)).values():
        short = len(history) < 3
        assert history == [TRAIN] * len(history) if short else [TRAIN] * (len(history) - 2) + [VALID, TEST]


@settings(deadline=None, max_examples=50)
@given(rows=ROWS, valid=st.sampled_from([0.1, 0.25]), test=st.sampled_from([0.1, 0.5]))
def test_the_newest_share_is_held_out(rows, valid, test):
    log = coded(rows)
    for history in histories(log, Ratio(valid=valid, test=test)(log)).values():
        tests, valids = (int(len(history) * share + 1e-9) for share in (test, valid))
        assert history == [TRAIN] * (len(history) - tests - valids) + [VALID] * valids + [TEST] * tests


def test_a_random_share_has_its_size_and_its_seed():
    log = coded([(user, item, item) for user in range(20) for item in range(10)])
    first, again, other = (Ratio(valid=0.2, test=0.3, random=True, seed=seed)(log) for seed in (1, 1, 2))
    assert first.tolist() == again.tolist() != other.tolist()
    for history in histories(log, first).values():
        assert sorted(history) == [TRAIN] * 5 + [VALID] * 2 + [TEST] * 3
    assert len({tuple(history) for history in histories(log, first).values()}) > 10


def test_a_random_share_is_drawn_evenly():
    log = coded([(user, item, item) for user in range(2000) for item in range(10)])
    held = Ratio(valid=0.1, test=0.1, random=True, seed=5)(log) == TEST
    counts = [int(held[log.items == item].sum()) for item in range(10)]
    assert sum((count - 200) ** 2 / 200 for count in counts) < 45  # chi-square of 9 degrees, p < 1e-6 beyond


def test_only_pairs_with_the_event_asked_for_are_held_out_to_validate():
    rows = [(0, item, item) for item in range(6)] + [(0, 6, 9)]
    log = coded(rows, parts=["train"] * 6 + ["test"])
    users, items, kinds = np.zeros(4, np.int32), np.array([0, 1, 2, 6], np.int32), np.array([1, 1, 0, 1], np.int32)
    had = replace(log, behaviours=Behaviours(("buy", "view"), users, items, np.zeros(4, np.int64), kinds))
    for seed in range(5):
        parts = Published(0.5, seed=seed, event="view")(had)
        assert sorted(log.items[parts == VALID].tolist()) in ([0], [1]), "one of the two that were viewed"
    with pytest.raises(Refused, match=r"prepare\.split\.event: the log has no event 'bye'; did you mean 'buy'"):
        Published(0.5, event="bye")(had)
    with pytest.raises(Refused, match=r"prepare\.split\.event: .*prepare\.behaviours"):
        Published(0.5, event="buy")(log)


def test_the_published_parts_are_kept():
    words = ["train", "valid", "test", "train"]
    assert Published()(coded([(0, item, item) for item in range(4)], words)).tolist() == [TRAIN, VALID, TEST, TRAIN]


def test_a_missing_valid_is_held_out_of_each_users_train():
    rows = [(user, item, item) for user in range(4) for item in range(25)]
    log = coded(rows, ["test" if item >= 20 else "train" for _, item, _ in rows])
    parts = Published(valid=0.1, seed=1)(log)
    for history in histories(log, parts).values():
        assert history[20:] == [TEST] * 5
        assert sorted(history[:20]) == [TRAIN] * 18 + [VALID] * 2
    assert parts.tolist() != Published(valid=0.1, seed=2)(log).tolist()


def test_the_newest_of_each_users_train_may_be_held_out():
    rows = [(user, (7 * item + user) % 25, item) for user in range(4) for item in range(25)]
    log = coded(rows, ["test" if item < 5 else "train" for _, _, item in rows])  # whatever the times of the test part are
    for history in histories(log, Published(valid=0.1, newest=True)(log)).values():
        assert history == [TEST] * 5 + [TRAIN] * 18 + [VALID] * 2
    with pytest.raises(Refused, match=r"prepare\.split\.newest: .*valid part of its own"):
        Published(newest=True)(coded(rows[:3], ["train", "valid", "test"]))


@pytest.mark.parametrize(
    ("words", "message"),
    [(None, "no column 'part'"), (["train", "dev"], "one of train, valid, test"), (["train", "valid"], "says 'test' nowhere")],
)
def test_refusals(words, message):
    with pytest.raises(Refused, match=message):
        Published()(coded([(0, 0, 0), (0, 1, 1)], words))
