"""A clean data set passes every check; each planted leak is found by the check it is meant for, with examples."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from recsys_cl.core.values import Shape
from recsys_cl.ingest.auditing import duplicates, parts
from recsys_cl.ingest.auditing.finding import DataSet, Finding, as_json, found
from recsys_cl.ingest.prepare import KCore

SHAPE = Shape(3, 4)
TRAIN = [(0, 0, 1), (0, 1, 2), (1, 1, 3), (1, 2, 4), (2, 2, 5), (2, 3, 6), (2, 0, 7)]
VALID = [(0, 2, 10), (1, 0, 11), (3, 0, 12), (0, 4, 13)]  # a cold user, a cold item
TEST = [(0, 3, 20), (1, 3, 21), (3, 1, 22), (3, 4, 23), (0, 4, 24)]


def frame(rows):
    return pd.DataFrame(rows, columns=["user", "item", "timestamp"])


def data(train=TRAIN, valid=VALID, test=TEST, **items):
    table = pd.DataFrame(items or {"title": ["A", "B", None, "D"]})
    return DataSet(
        {"train": frame(train), "valid": frame(valid), "test": frame(test)}, SHAPE, ["ann", "bob", "cy"], list("wxyz"), table
    )


def percentiles(counts):
    return {"percentiles": {str(p): float(np.percentile(counts, p)) for p in (0, 25, 50, 100)}}


REPORT = {"item_popularity": percentiles([2, 2, 2, 1]), "user_activity": percentiles([2, 2, 3])}


def told(finding):
    return finding.verdict, finding.count


def test_a_clean_data_set_passes():
    clean = data()
    findings = [
        parts.overlap(clean),
        parts.test_only_ids(clean),
        parts.model_vocabulary(SHAPE, {"sgl": {"users": 3, "items": 4}}),
        parts.core(clean, KCore(users=2, items=1)),
        parts.popularity(clean, REPORT),
        parts.time_order(clean, "global"),
        parts.time_order(clean, "user"),
        parts.held_out_before(clean),
        duplicates.duplicate_titles(clean),
        duplicates.duplicate_features(clean),
    ]
    assert [finding for finding in findings if finding.verdict != "ok" or finding.count or finding.examples] == []
    assert as_json(findings)["verdict"] == "ok"


def test_an_interaction_in_two_parts():
    finding = parts.overlap(data(test=[*TEST, TRAIN[0], TRAIN[0], VALID[0], (0, 4, 13)]))
    assert told(finding) == ("leak", 2)  # repeats count once, and cold items cannot be told apart
    assert finding.examples == ("user ann, item w: in train, test", "user ann, item y: in valid, test")
    assert told(parts.overlap(data(test=[*TEST, (0, 0, 30)]))) == ("ok", 0), "met again later is no overlap"


def test_a_test_pair_that_was_met_before():
    finding = parts.held_out_before(data(test=[*TEST, (0, 0, 30), (0, 2, 31)]))
    assert told(finding) == ("warning", 2)
    assert finding.examples == ("user ann, item w", "user ann, item y")


def test_ids_that_only_later_parts_hold():
    finding = parts.test_only_ids(data(train=[row for row in TRAIN if row[1] != 3]))  # z is met in test alone, and numbered
    assert told(finding) == ("leak", 1)
    assert finding.examples == ("item z: in the vocabulary, not in train",)
    finding = parts.test_only_ids(data(train=[*TRAIN, (3, 0, 8), (0, 4, 9)]))
    assert told(finding) == ("leak", 2)
    assert "1 train rows of a user outside the vocabulary" in finding.examples


def test_a_model_of_another_vocabulary():
    finding = parts.model_vocabulary(SHAPE, {"good": {"users": 3, "items": 4}, "bad": {"users": 3, "items": 5}})
    assert told(finding) == ("leak", 1)
    assert finding.examples == ("bad: 3 users, 5 items",)


def test_a_core_that_counted_later_parts():
    # ann and bob have three items each when valid is counted, and two in train: a core of 3 over everything kept them.
    finding = parts.core(data(), KCore(users=3, items=1))
    assert told(finding) == ("leak", 2)
    assert finding.examples == ("user ann: 2 of 3 in train", "user bob: 2 of 3 in train")
    assert told(parts.core(data(), KCore(users=2, items=2))) == ("leak", 1)
    repeated = data(train=[*TRAIN, (0, 0, 8)])
    assert told(parts.core(repeated, KCore(users=3, items=1))) == ("leak", 2), "a repeat is no second partner"


def test_popularity_of_the_whole_log():
    whole = {"item_popularity": percentiles([4, 3, 3, 3]), "user_activity": REPORT["user_activity"]}
    finding = parts.popularity(data(), whole)
    assert finding.verdict == "leak"
    assert finding.examples[0] == "item_popularity, percentile 0: 3 stated, 1 in train"


@pytest.mark.parametrize(
    ("changes", "promise", "expected"),
    [
        ({"train": [*TRAIN, (0, 2, 10)]}, "global", ("leak", 1)),  # an instant belongs to one part whole
        ({"train": [*TRAIN, (0, 2, 25)], "valid": [*VALID, (1, 3, 20)]}, "global", ("leak", 2)),
        ({"train": [*TRAIN, (0, 2, 10)]}, "user", ("ok", 0)),  # of one instant the log's order decides
        ({"train": [*TRAIN, (0, 2, 11)]}, "user", ("leak", 1)),
        ({"valid": [*VALID, (1, 2, 22)]}, "user", ("leak", 1)),
        ({"valid": [*VALID, (3, 2, 30)]}, "user", ("ok", 0)),  # cold users share an id
        ({"train": [*TRAIN, (2, 2, 25)]}, "user", ("warning", 1)),
        ({"train": [*TRAIN, (0, 2, 25)]}, "none", ("warning", 1)),
        ({"test": []}, "global", ("ok", 0)),
        (
            {name: [(u, i, 0) for u, i, _ in rows] for name, rows in (("train", TRAIN), ("valid", VALID), ("test", TEST))},
            "global",
            ("ok", 0),
        ),
    ],
)
def test_time_runs_as_the_split_promises(changes, promise, expected):
    assert told(parts.time_order(data(**changes), promise)) == expected


def test_items_that_are_one_thing():
    finding = duplicates.duplicate_titles(data(title=["Red  Shoe", "red shoe ", None, ""]))
    assert told(finding) == ("warning", 1)
    assert finding.examples == ("x is w",)
    rows = [np.array([1.0, 2.0]), np.array([1.0, 2.0]), None, np.array([2.0, 1.0])]
    same = data(image=rows, text=[np.array([0]), np.array([0]), None, np.array([0])])
    assert duplicates.duplicate_features(same).examples == ("x is w",)
    assert told(duplicates.duplicate_features(same)) == ("warning", 1)
    apart = data(image=rows, text=[np.array([0]), np.array([1]), None, np.array([0])])
    assert told(duplicates.duplicate_features(apart)) == ("ok", 0)


def test_the_verdict_is_the_worst_and_examples_are_few():
    findings = [found("a", "leak", 0, "nothing"), found("b", "warning", 9, "nine", (str(n) for n in range(9)))]
    assert as_json(findings) == {
        "verdict": "warning",
        "checks": [
            {"name": "a", "verdict": "ok", "count": 0, "what": "nothing", "examples": ()},
            {"name": "b", "verdict": "warning", "count": 9, "what": "nine", "examples": ("0", "1", "2", "3", "4")},
        ],
    }
    assert as_json([*findings, replace(findings[0], verdict="leak")])["verdict"] == "leak"
    assert isinstance(findings[0], Finding)
