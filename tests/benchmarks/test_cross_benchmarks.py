"""The benchmarks of the cross-domain family measure what they say."""

from __future__ import annotations

import numpy as np
import torch

from benchmarks import cross
from benchmarks.transfer import differences
from recsys_cl.core.values import Interactions, Shape
from recsys_cl.evaluation.segments import Division


def test_both_domains_as_one_log_share_the_first_people(monkeypatch) -> None:
    monkeypatch.setattr(cross, "USERS", (5, 4))
    monkeypatch.setattr(cross, "ITEMS", (3, 2))
    monkeypatch.setattr(cross, "SHARED", 2)
    none = torch.zeros(4, dtype=torch.int64)
    one = Interactions(Shape(5, 3), torch.tensor([0, 1, 2, 4]), torch.tensor([0, 1, 2, 2]), none)
    other = Interactions(Shape(4, 2), torch.tensor([0, 1, 2, 3]), torch.tensor([0, 1, 0, 1]), none)
    whole, features = cross.together(one, other)
    assert whole.shape == Shape(7, 5)
    assert whole.users.tolist() == [0, 1, 2, 4, 0, 1, 5, 6]
    assert whole.items.tolist() == [0, 1, 2, 2, 3, 4, 3, 4]
    assert features.modalities["domain"].values.argmax(1).tolist() == [0, 0, 0, 1, 1]


def test_a_step_of_both_and_a_step_of_each_are_taken(monkeypatch) -> None:
    for name, value in (("USERS", (40, 30)), ("ITEMS", (25, 30)), ("SHARED", 10), ("EVENTS", 200)):
        monkeypatch.setattr(cross, name, value)
    figures = cross.measure(laps=1, count=1, batch=32)
    assert set(figures) == {"cross_ms", "first_ms", "second_ms", "ratio"}
    assert all(value > 0 for value in figures.values())


def test_differences_are_paired_by_group() -> None:
    division = Division("side", ("left", "right", "nobody"), torch.tensor([0, 0, 0, 1, 1, 1]))
    ours, theirs = np.array([1.0, 2.0, 3.0, 1.0, 1.0, 1.0]), np.array([0.0, 1.0, 2.0, 1.0, 1.0, 1.0])
    rows = {row["group"]: row for row in differences(ours, theirs, [division])}
    assert set(rows) == {"all", "left", "right"}
    assert rows["left"]["difference"] == 1.0
    assert rows["right"]["interval"] == [0.0, 0.0]
    assert rows["all"]["difference"] == 0.5
