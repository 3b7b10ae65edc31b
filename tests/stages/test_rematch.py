"""A model of yesterday on the test part of today: planted vectors, and a twin that ranks by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import torch
from pyarrow import parquet

from recsys_cl.core.errors import Refused
from recsys_cl.core.files import write_json
from recsys_cl.core.values import Fold, Interactions, Shape
from recsys_cl.evaluation.settings import Evaluation
from recsys_cl.serving.bundle import Bundle, assemble
from recsys_cl.serving.reader import ByRule
from recsys_cl.stages.rematch import remeasure

RULES = Evaluation(metrics=("ndcg", "recall"), ks=(2,))
TODAY = ["a", "b", "c", "d", "new"]  # items of today; the older model knows "d", "c", "b", "a" and "gone"
YESTERDAY = ["d", "c", "b", "a", "gone"]


@pytest.fixture
def reads(tmp_path: Path) -> dict[str, Path]:
    """u0 is known to the model; u1 only by what it met since; u2 met nothing that the model knows."""
    vocabulary = tmp_path / "vocabulary"
    vocabulary.mkdir()
    write_json(vocabulary / "shape.json", {"users": 3, "items": len(TODAY)})
    parquet.write_table(pa.table({"user_id": ["u0", "u1", "u2"]}), vocabulary / "users.parquet")
    parquet.write_table(pa.table({"item_id": TODAY}), vocabulary / "items.parquet")
    new, outside = 4, 5
    parts = {
        "train": [(0, 0), (1, 1), (2, new)],
        "valid": [],
        "test": [(0, 1), (0, 1), (0, outside), (1, 2), (2, 3), (2, new)],
    }
    for name, rows in parts.items():
        users, items = (np.array([row[side] for row in rows], np.int32) for side in (0, 1))
        table = pa.table({"user": users, "item": items, "timestamp": np.arange(len(rows))})
        parquet.write_table(table, tmp_path / name)
    return {name: tmp_path / name for name in (*parts, "vocabulary")}


def bundle(*, reader: bool = True) -> Bundle:
    """Each item has its own coordinate, so that a vector says what its owner likes; "d" is the most popular."""
    items = torch.eye(5)
    likes = torch.tensor([[0.0, 0.1, 0.9, 0.8, 1.0]])  # gone, b, a, c: "a" was met, so the list is gone, b
    shape = Shape(1, 5)
    met = torch.tensor([0, 0, 0, 1, 1, 2])  # d three times, c twice, b once
    known = Interactions(shape, torch.zeros_like(met), met, torch.zeros_like(met))
    fold = ByRule(Fold(torch.eye(5).roll(-1, 0), 0.0)) if reader else None  # who met an item likes the one before it: b -> a
    users = pd.DataFrame({"user_id": ["u0"]})
    return assemble(users, pd.DataFrame({"item_id": YESTERDAY}), {"users": likes, "items": items}, known, {}, fold)


def test_what_it_remembers_where_nothing_can_be_read(reads: dict[str, Path]) -> None:
    found = remeasure(bundle(reader=False), reads, RULES, "recall@2", "yesterday")
    assert found.index.tolist() == ["u0", "u1", "u2"]
    # u0: list gone, b; held out b (once, though met twice) and something outside: 1 of 2.
    # u1, u2 are strangers: the popular list d, c. u1 waits for c: 1 of 1. u2 for d and for what the model cannot know: 1 of 2.
    assert found.tolist() == [0.5, 1.0, 0.5]


def test_histories_of_today_are_read(reads: dict[str, Path]) -> None:
    found = remeasure(bundle(), reads, RULES, "ndcg@2", "yesterday")
    ideal = 1 + 1 / np.log2(3)
    # u0 met a, so likes "gone" by the rule; then ties, by number: d. u1 met b, likes a, then d. u2 met what is unknown: popular.
    assert found.tolist() == pytest.approx([0.0, 0.0, 1 / ideal])


def test_a_metric_that_is_not_measured_is_refused(reads: dict[str, Path]) -> None:
    with pytest.raises(Refused, match=r"'ndcg@3' is not measured; did you mean 'ndcg@2'"):
        remeasure(bundle(), reads, RULES, "ndcg@3", "yesterday")
