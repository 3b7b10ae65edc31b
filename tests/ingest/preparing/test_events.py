"""Events to interactions: weights, thresholds, sums, sessions, behaviours and bots, on logs small enough to do by hand."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from pydantic import ValidationError

from recsys_cl.core.errors import Refused
from recsys_cl.core.settings import Component
from recsys_cl.ingest.prepare import Prepare
from recsys_cl.ingest.preparing.preparation import prepare
from recsys_cl.ingest.preparing.repeats import keep_one
from recsys_cl.ingest.preparing.sessions import sessions
from recsys_cl.ingest.preparing.vocabulary import write_part
from tests.ingest.coded import ROWS, coded, write_log

SPLIT = Component.model_validate({"use": "time", "valid": "1970-01-01T00:01:40", "test": "1970-01-01T00:03:20"})
WEIGHTS = {"view": 1, "cart": 3, "buy": 5}

# user, item, second, event: until 100 train, until 200 valid
LOG = [
    ("a", "x", 0, "view"),
    ("a", "x", 1, "view"),
    ("a", "y", 2, "cart"),
    ("a", "x", 3, "view"),
    ("b", "x", 4, "buy"),
    ("a", "z", 10, "view"),
    ("a", "y", 20, "buy"),
    ("b", "y", 50, "view"),
    ("b", "z", 100, "cart"),
    ("a", "z", 101, "cart"),
    ("b", "y", 150, "buy"),
    ("a", "x", 200, "buy"),
    ("b", "w", 201, "buy"),
]


def run(tmp_path, log=LOG, **settings):
    path = write_log(tmp_path / "log.parquet", [row[:3] for row in log], event=[row[3] for row in log])
    return prepare(path, Prepare.model_validate_json(json.dumps({"split": SPLIT.model_dump(), **settings})), tmp_path)


def rows(prepared, part=0, *names):
    users, items = [*prepared.user_ids.to_pylist(), None], [*prepared.item_ids.to_pylist(), None]
    chosen = prepared.parts[part]
    columns = [chosen.columns[name].to_pylist() for name in names]
    return list(
        zip(
            (users[u] for u in chosen.users), (items[i] for i in chosen.items), chosen.times // 1_000_000, *columns, strict=True
        )
    )


def test_types_of_events_have_weights(tmp_path):
    prepared = run(tmp_path, events=WEIGHTS, repeats="keep", min_weight=3)
    assert rows(prepared, 0, "weight") == [("a", "y", 2, 3.0), ("b", "x", 4, 5.0), ("a", "y", 20, 5.0)]
    assert prepared.counts["below_min_weight"] == 5
    assert prepared.counts["positive"] == 8


def test_a_summed_pair_stands_where_it_first_weighs_enough(tmp_path):
    prepared = run(tmp_path, events=WEIGHTS, repeats="sum", min_weight=3)
    assert rows(prepared, 0, "weight") == [("a", "y", 2, 3.0), ("a", "x", 3, 3.0), ("b", "x", 4, 5.0)]
    assert rows(prepared, 1, "weight") == [("b", None, 100, 3.0), ("a", None, 101, 4.0), ("b", "y", 150, 6.0)]
    assert prepared.counts["below_summed_weight"] == 0
    assert prepared.counts["repeats"] == len(LOG) - 7


def test_pairs_that_never_weigh_enough_are_counted(tmp_path):
    prepared = run(tmp_path, events=WEIGHTS, repeats="sum", min_weight=4.5, split={"use": "leave_last_out"}, log=[*LOG, ("b", "v", 300, "buy")])  # fmt: skip
    assert prepared.counts["below_summed_weight"] == 3  # a-z and b-z: 1 + 3 = 4, and 3
    assert prepared.counts["positive"] == 14
    parts = sum(prepared.counts[name] for name in ("train", "valid", "test"))
    assert prepared.counts["positive"] == parts + prepared.counts["repeats"] + prepared.counts["below_summed_weight"]


def test_no_later_event_changes_what_a_summed_part_holds(tmp_path):
    whole = run(tmp_path, events=WEIGHTS, repeats="sum", min_weight=3)
    more = run(
        tmp_path, events=WEIGHTS, repeats="sum", min_weight=3, log=[*LOG, ("a", "x", 210, "buy"), ("b", "x", 220, "buy")]
    )
    assert rows(whole, 0, "weight") == rows(more, 0, "weight")


@given(ROWS)
def test_sums_agree_with_adding_up(triples):
    log = coded(triples)
    weights = np.array([0.1 * (row % 4) for row in range(len(log))])
    log = replace(log, weights=weights)
    kept, totals, done = [], {}, set()
    for row, pair in enumerate(log.pairs().tolist()):
        totals[pair] = totals.get(pair, 0) + weights[row]
        if pair not in done and totals[pair] > 0.3 - 1e-6:
            done.add(pair)
            kept.append(row)
    assert np.flatnonzero(keep_one(log, "sum", 0.3)).tolist() == kept


def test_weights_as_large_as_numbers_get_are_summed_without_overflow():
    log = coded([(0, 0, 0), (0, 1, 1), (0, 1, 2), (0, 2, 3), (0, 3, 4), (0, 3, 5)])
    weights = np.array([1e308, 1e308, 1e308, 1.0, 1.0, 1.0])
    assert keep_one(replace(log, weights=weights), "sum", 2.0).tolist() == [True, True, False, False, False, True]


def test_behaviours_are_counted_until_the_users_last_train_event(tmp_path):
    prepared = run(tmp_path, events=["buy", "cart"], behaviours=True)
    names = ("n_view", "first_view", "n_buy", "first_buy", "n_cart")
    assert rows(prepared, 0, *names) == [
        ("a", "y", 2, 0, None, 0, None, 1),  # the purchase at 20 is after a's last train event
        ("b", "x", 4, 0, None, 1, 4_000_000, 0),
    ]
    again = run(tmp_path, behaviours=True, repeats="keep")
    assert rows(again, 0, "n_view", "first_view")[0] == ("a", "x", 0, 3, 0)
    assert rows(again, 0, "n_buy", "first_buy")[2] == ("a", "y", 2, 1, 20_000_000)
    write_part(again.parts[0], tmp_path / "train")
    assert pq.read_schema(tmp_path / "train").names[3:] == [
        f"{what}_{n}" for n in ("buy", "cart", "view") for what in ("n", "first")
    ]


@given(ROWS)
def test_sessions_agree_with_walking_through(triples):
    log = coded(triples)
    expected, last = [], {}
    for user, time in zip(log.users.tolist(), log.times.tolist(), strict=True):
        number, before = last.get(user, (0, time))
        last[user] = (number + (time - before > 2), time)
        expected.append(last[user][0])
    assert sessions(log.users, log.times, 2).tolist() == expected


def test_sessions_are_kept_as_a_column(tmp_path):
    prepared = run(tmp_path, session_gap="5s", repeats="keep")
    assert [row[3] for row in rows(prepared, 0, "session") if row[0] == "a"] == [0, 0, 0, 0, 1, 2]
    assert [row[3] for row in rows(prepared, 1, "session") if row[0] == "a"] == [3]


def test_what_a_user_does_on_a_day_beyond_the_bound_goes(tmp_path):
    day = 86_400
    log = [("u", f"i{n}", n, "view") for n in range(3)] + [("bot", "i0", 3, "view")]
    log += [("bot", f"i{n}", day + n // 2, "view") for n in range(9)] + [("u", f"j{n}", 2 * day + n, "view") for n in range(4)]
    prepared = run(tmp_path, log=log, max_events_per_day=4, repeats="keep", split={"use": "leave_last_out"})
    assert prepared.counts["bots"] == 5
    assert prepared.counts["positive"] == 12
    assert [row[:2] for row in rows(prepared)] == [("u", "i0"), ("u", "i1"), ("u", "i2"), ("bot", "i0"), ("bot", "i0"), ("bot", "i1"), ("u", "j0"), ("u", "j1")]  # fmt: skip


def test_a_busy_evening_changes_nothing_of_the_morning(tmp_path):
    """The cut lies within the day: what is tested must not decide what is learnt."""
    evening = [("b", f"w{n}", 210 + n, "buy") for n in range(9)]
    quiet, busy = (run(tmp_path, log=LOG + more, max_events_per_day=7) for more in ([], evening))
    assert rows(quiet, 0) == rows(busy, 0)
    assert rows(quiet, 1) == rows(busy, 1)
    assert (quiet.counts["bots"], busy.counts["bots"]) == (1, 8)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"events": []}, r"prepare\.events: an empty list"),
        ({"events": {}}, r"prepare\.events: an empty list"),
        ({"events": {"vew": 1}}, r"no event 'vew'; did you mean 'view'"),
        ({"min_weight": 2}, r"prepare\.min_weight: the log has no column 'weight', and prepare\.events gives no weights"),
        ({"events": WEIGHTS, "min_weight": 50, "repeats": "sum"}, r"prepare\.min_weight: no pair's weights sum to 50"),
        ({"events": WEIGHTS, "min_weight": 50}, r"no interaction is left .*below_min_weight 13"),
    ],
)
def test_refusals(tmp_path, settings, message):
    with pytest.raises(Refused, match=message):
        run(tmp_path, **settings)


@pytest.mark.parametrize(
    "settings",
    [
        {"events": {"view": 0}},
        {"events": {"view": -1}},
        {"session_gap": "30 min"},
        {"session_gap": "0m"},
        {"max_events_per_day": 0},
        {"min_weight": "3"},
    ],
)
def test_wrong_settings_never_reach_the_data(settings):
    with pytest.raises(ValidationError, match=next(iter(settings))):
        Prepare(**settings)
