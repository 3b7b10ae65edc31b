"""Preparing as a whole: parts partition the log, ids are byte-ordered texts of train, refusals say what removed how much."""

from __future__ import annotations

import random

import pytest

from recsys_cl.core.errors import Refused
from recsys_cl.core.settings import Component
from recsys_cl.ingest.prepare import KCore, Prepare
from recsys_cl.ingest.preparing.preparation import prepare
from tests.ingest.coded import write_log

LEAVE = Component(use="leave_last_out")
CHANCE = random.Random(5)
LOG = [(f"u{CHANCE.randrange(9)}", f"i{CHANCE.randrange(12)}", second) for second in range(200)]


def run(tmp_path, rows, settings=None, **optional):
    return prepare(write_log(tmp_path / "interactions.parquet", rows, **optional), settings or Prepare(), tmp_path)


def texts(prepared, part):
    users, items = [*prepared.user_ids.to_pylist(), None], [*prepared.item_ids.to_pylist(), None]
    chosen = prepared.parts[part]
    return [(users[u], items[i], int(t) // 1_000_000) for u, i, t in zip(chosen.users, chosen.items, chosen.times, strict=True)]


def test_without_a_core_the_parts_are_the_log(tmp_path):
    prepared = run(tmp_path, LOG, Prepare(repeats="keep"))
    assert texts(prepared, 0) == LOG[:160]
    warm_users, warm_items = ({row[side] for row in LOG[:160]} for side in (0, 1))
    for part, rows in ((1, LOG[160:180]), (2, LOG[180:])):
        assert texts(prepared, part) == [
            (u if u in warm_users else None, i if i in warm_items else None, t) for u, i, t in rows
        ]


def test_ids_are_the_texts_of_train_in_byte_order(tmp_path):
    rows = [("b", "Z", 0), ("a", "a", 1), ("B", "é", 2), ("10", "9", 3), ("9", "10", 4), ("cold", "new", 8), ("a", "10", 9)]
    prepared = run(tmp_path, rows, Prepare(split=Component.model_validate({"use": "time", "valid": 0.15, "test": 0.15})))
    assert prepared.user_ids.to_pylist() == ["10", "9", "B", "a", "b"]
    assert prepared.item_ids.to_pylist() == ["10", "9", "Z", "a", "é"]
    assert texts(prepared, 1) == [(None, None, 8)]
    assert prepared.parts[1].users.tolist() == [5]
    assert prepared.parts[1].items.tolist() == [5]


def test_a_met_item_is_never_a_target_again(tmp_path):
    prepared = run(tmp_path, LOG)
    seen = [(user, item) for part in range(3) for user, item, _ in texts(prepared, part) if user and item]
    assert len(seen) == len(set(seen))
    assert prepared.counts["repeats"] == len(LOG) - len({row[:2] for row in LOG})


def test_the_order_of_the_log_does_not_matter_where_times_differ(tmp_path):
    shuffled = random.Random(1).sample(LOG, len(LOG))
    for settings in (Prepare(kcore=KCore(users=3, items=3)), Prepare(split=LEAVE)):
        first, second = (run(tmp_path, rows, settings) for rows in (LOG, shuffled))
        assert [texts(first, part) for part in range(3)] == [texts(second, part) for part in range(3)]


def test_equal_times_keep_the_order_of_the_log(tmp_path):
    rows = [("u", f"i{number}", 0) for number in (3, 1, 2, 0)]
    prepared = run(tmp_path, rows, Prepare(split=LEAVE))
    assert [item for _, item, _ in texts(prepared, 0)] == ["i3", "i1"]


def test_the_core_is_of_train_alone(tmp_path):
    rows = [(u, i, t) for t, (u, i) in enumerate([("a", "x"), ("a", "y"), ("b", "x"), ("b", "y"), ("c", "x")])]
    rows += [("c", "y", 50), ("b", "z", 60), ("a", "z", 70), ("c", "z", 80)]
    split = Component.model_validate({"use": "time", "valid": "1970-01-01T00:00:40", "test": "1970-01-01T00:01:05"})
    prepared = run(tmp_path, rows, Prepare(split=split, kcore=KCore(users=2, items=2)))
    assert prepared.user_ids.to_pylist() == ["a", "b"]  # c meets its second item in valid only
    assert prepared.item_ids.to_pylist() == ["x", "y"]
    assert prepared.counts["outside_core"] == 1


def test_only_positives_count(tmp_path):
    ratings = [float(second % 5 + 1) for second in range(200)]
    ratings[0] = None
    events = ["buy" if second % 2 else "view" for second in range(200)]
    settings = Prepare(min_rating=4.0, events=("buy",), repeats="keep", split=LEAVE)
    prepared = run(tmp_path, LOG, settings, rating=ratings, event=events)
    kept = sorted(row for part in range(3) for row in texts(prepared, part))
    assert [t for *_, t in sorted(kept, key=lambda row: row[2])] == [t for t in range(200) if t % 5 >= 3 and t % 2]
    assert prepared.counts["below_min_rating"] == 120
    assert prepared.counts["other_events"] == 40


def test_shares_of_time_are_of_the_logged_events(tmp_path):
    ratings = [5.0 if second < 150 or second % 3 == 0 else 1.0 for second in range(200)]
    prepared = run(tmp_path, LOG, Prepare(min_rating=4.0, repeats="keep"), rating=ratings)
    assert [t for *_, t in texts(prepared, 2)] == [t for t in range(180, 200) if t % 3 == 0]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"min_rating": 9.0}, r"no interaction is left .*below_min_rating 200"),
        ({"events": ("bought",)}, r"prepare\.events: the log has no event 'bought'; did you mean 'bough'"),
        ({"kcore": KCore(users=50)}, r"prepare\.kcore: none of the [0-9]+ train interactions"),
        ({"split": Component(use="published")}, "no column 'part'"),
    ],
)
def test_refusals(tmp_path, settings, message):
    optional = {"rating": [1.0] * 200, "event": ["bough", None] * 100}
    with pytest.raises(Refused, match=message):
        run(tmp_path, LOG, Prepare(**settings), **optional)


@pytest.mark.parametrize(("settings", "column"), [({"min_rating": 1.0}, "rating"), ({"events": ("buy",)}, "event")])
def test_a_missing_column_is_named(tmp_path, settings, column):
    with pytest.raises(Refused, match=f"the log has no column '{column}'"):
        run(tmp_path, LOG, Prepare(**settings))


def test_a_part_without_interactions_is_refused(tmp_path):
    with pytest.raises(Refused, match=r"'leave_last_out' leaves valid without interactions \(train 4"):
        run(tmp_path, [("a", "x", 0), ("a", "y", 1), ("b", "x", 2), ("b", "y", 3)], Prepare(split=LEAVE))


def test_wrong_settings_are_refused_before_data_is_read():
    with pytest.raises(Refused, match=r"prepare\.split: no 'tme'.*'time'"):
        Prepare(split=Component(use="tme"))
    with pytest.raises(Refused, match=r"prepare\.split\.vlid: .*'valid'"):
        Prepare(split=Component.model_validate({"use": "time", "vlid": 0.1}))
    with pytest.raises(Refused, match=r"prepare\.repeats: under a time split 'last'"):
        Prepare(repeats="last")
