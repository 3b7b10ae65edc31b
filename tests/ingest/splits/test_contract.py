"""What every split promises: one part for each interaction, whatever the order of the log, the same each time."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys_cl.core.build import build, names
from recsys_cl.core.settings import Component
from recsys_cl.ingest.preparing.coded_log import NOWHERE, PARTS, TEST, TRAIN, VALID
from tests.ingest.coded import coded

SPLITS = [
    Component(use="time"),
    Component.model_validate({"use": "time", "valid": "1970-01-01T00:00:00.000020", "test": "1970-01-01T00:00:00.000030Z"}),
    Component(use="leave_last_out"),
    Component.model_validate({"use": "ratio", "valid": 0.2, "test": 0.3}),
    Component.model_validate({"use": "ratio", "valid": 0.2, "test": 0.3, "random": True, "seed": 3}),
    Component.model_validate({"use": "published", "valid": 0.2}),
    Component.model_validate({"use": "time", "valid": 0.2, "test": 0.2, "gap": "0.000002s"}),
    Component(use="rolling"),
    Component.model_validate({"use": "item_cold", "seed": 3}),
    Component.model_validate({"use": "user_cold", "users": 0.3, "seed": 3}),
    Component.model_validate({"use": "rolling", "window": 2, "windows": 2, "length": "0.000009s", "gap": "0.000003s"}),
]
ROWS = st.permutations(range(40))
"""The order in which forty events at forty different times are logged."""


def log(order):
    times = list(order)
    rows = [((7 * t) % 5, (3 * t + t // 7) % 11, t) for t in times]
    return coded(rows, ["test" if t >= 30 else "train" for t in times])


def split(component):
    return build("ingest.splits", component, "prepare.split")


def test_every_split_is_tried_here():
    assert {component.use for component in SPLITS} == set(names("ingest.splits"))


@pytest.mark.parametrize("component", SPLITS, ids=lambda c: f"{c.use}-{len(c.arguments)}")
@settings(deadline=None, max_examples=50)
@given(order=ROWS)
def test_each_interaction_has_one_part_whatever_the_order_of_the_log(component, order):
    parts = split(component)(log(order))
    assert parts.dtype == np.int8
    assert set(parts.tolist()) - {NOWHERE} == {TRAIN, VALID, TEST}
    assert parts.tolist() == split(component)(log(range(40))).tolist()


@pytest.mark.parametrize("component", SPLITS, ids=lambda c: f"{c.use}-{len(c.arguments)}")
def test_a_split_edits_nothing(component):
    given = log(range(40))
    before = [array.copy() for array in (given.users, given.items, given.times, given.parts)]
    split(component)(given)
    for array, copy in zip((given.users, given.items, given.times, given.parts), before, strict=True):
        assert array.tolist() == copy.tolist()


def test_parts_are_named_in_order():
    assert PARTS[TRAIN], PARTS[VALID] == ("train", "valid")
    assert PARTS[TEST] == "test"
