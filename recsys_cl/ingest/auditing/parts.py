"""Between the parts: what is in two of them, what later parts have told train, and whether time runs one way."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations
from typing import Literal

import numpy as np
import pandas as pd

from recsys_cl.core.values import Shape
from recsys_cl.ingest.auditing.finding import SHOWN, DataSet, Finding, found
from recsys_cl.ingest.prepare import KCore

Order = Literal["global", "user", "none"]
"""What a split promises of time: one clock for all, each user's own, nothing."""


def overlap(data: DataSet) -> Finding:
    """The same user, item and time in two parts."""
    keys = ["user", "item", "timestamp"]
    shared = [
        pd.merge(data.warm(one).drop_duplicates(keys), data.warm(other).drop_duplicates(keys), on=keys).assign(
            parts=f"{one}, {other}"
        )
        for one, other in combinations(data.parts, 2)
    ]
    rows = pd.concat(shared)
    examples = (f"{name}: in {which}" for name, which in zip(data.names(rows), rows["parts"].tolist(), strict=False))
    return found("overlap", "leak", len(rows), "interactions (user, item, time) that are in two parts", examples)


def held_out_before(data: DataSet) -> Finding:
    """Test pairs that the user had met before."""
    keys = ["user", "item"]
    past = pd.concat([data.warm("train"), data.warm("valid")])[keys].drop_duplicates()
    rows = pd.merge(data.warm("test")[keys].drop_duplicates(), past, on=keys)
    what = "test pairs (user, item) that are in train or valid too: never ranked, or trivially right"
    return found("held_out_before", "warning", len(rows), what, data.names(rows))


def test_only_ids(data: DataSet) -> Finding:
    """Ids that training knows although train does not hold them."""
    train, examples, count = data.parts["train"], [], 0
    for side, names, size in (("user", data.user_ids, data.shape.users), ("item", data.item_ids, data.shape.items)):
        told = np.bincount(train[side], minlength=size + 1)
        unmet = [number for number in np.flatnonzero(told[:size] == 0).tolist() if side == "user" or number not in data.let_in]
        count += len(unmet) + int(told[size:].sum())
        examples += [f"{side} {names[number]}: in the vocabulary, not in train" for number in unmet[:SHOWN]]
        examples += [f"{int(told[size:].sum())} train rows of a {side} outside the vocabulary"] if told[size:].sum() else []
    return found("test_only_ids", "leak", count, "ids in the vocabulary or in train that are not train's own", examples)


def model_vocabulary(shape: Shape, models: Mapping[str, Mapping[str, int]]) -> Finding:
    """Models that know more users or items, or fewer, than the vocabulary has."""
    ours = {"users": shape.users, "items": shape.items}
    other = {name: dict(theirs) for name, theirs in models.items() if dict(theirs) != ours}
    examples = (f"{name}: {theirs['users']} users, {theirs['items']} items" for name, theirs in other.items())
    return found("model_vocabulary", "leak", len(other), f"models not of {shape.users} users and {shape.items} items", examples)


def core(data: DataSet, bounds: KCore) -> Finding:
    """Users and items below the bounds in train alone, as after a k-core that counted later parts too."""
    pairs = data.parts["train"][["user", "item"]].drop_duplicates()
    examples, count = [], 0
    for side, names, least in (("user", data.user_ids, bounds.users), ("item", data.item_ids, bounds.items)):
        partners = np.bincount(pairs[side], minlength=len(names))[: len(names)]
        below = np.flatnonzero((partners > 0) & (partners < least))
        count += len(below)
        examples += [f"{side} {names[number]}: {partners[number]} of {least} in train" for number in below[:SHOWN]]
    what = f"users with fewer than {bounds.users} items, items with fewer than {bounds.items} users in train"
    return found("core", "leak", count, what, examples)


def popularity(data: DataSet, report: Mapping[str, Mapping[str, Mapping[str, float]]]) -> Finding:
    """Percentiles of popularity and activity that the data report states and train does not give."""
    train, examples = data.parts["train"], []
    for key, side, size in (("item_popularity", "item", data.shape.items), ("user_activity", "user", data.shape.users)):
        counts = np.bincount(train[side], minlength=size)
        for percent, stated in report[key]["percentiles"].items():
            ours = float(np.percentile(counts, float(percent))) if size else 0.0
            if abs(ours - stated) > 1e-9 * max(abs(ours), 1):
                examples.append(f"{key}, percentile {percent}: {stated:g} stated, {ours:g} in train")
    return found(
        "popularity", "leak", len(examples), "stated percentiles of popularity that train alone does not give", examples
    )


def time_order(data: DataSet, promise: Order) -> Finding:
    """Rows or users whose later part is not later, as far as the split promises that it is."""
    train, valid, test = (data.parts[name] for name in ("train", "valid", "test"))
    if not any((part["timestamp"] != 0).any() for part in (train, valid, test)):
        return found("time_order", "ok", 0, "the log has no times")
    if promise == "user":
        own = [part[part["user"] < data.shape.users] for part in (train, valid, test)]  # cold users cannot be told apart
        late = _own_future(own[0], pd.concat(own[1:])) | _own_future(own[1], own[2])
        if late:
            examples = (f"user {data.user_ids[user]}" for user in sorted(late))
            return found("time_order", "leak", len(late), "users with an event after a later part of theirs begins", examples)
    late_train = _at_or_after(train, pd.concat([valid, test]))
    if promise == "global":
        count = late_train + _at_or_after(valid, test)
        return found("time_order", "leak", count, "rows that are not earlier than the first of a later part")
    what = "train rows at or after the first test event; the split promises no order across users"
    return found("time_order", "warning", _at_or_after(train, test), what)


def _at_or_after(rows: pd.DataFrame, later: pd.DataFrame) -> int:
    return int((rows["timestamp"] >= later["timestamp"].min()).sum()) if len(later) else 0


def _own_future(rows: pd.DataFrame, later: pd.DataFrame) -> set[int]:
    """Users whose last event in ``rows`` is later than their first in ``later``; of one instant the log's order decides."""
    last, first = rows.groupby("user")["timestamp"].max(), later.groupby("user")["timestamp"].min()
    both = pd.merge(last.to_frame("last"), first.to_frame("first"), left_index=True, right_index=True)
    return {int(user) for user in both[both["last"] > both["first"]].index.to_numpy()}
