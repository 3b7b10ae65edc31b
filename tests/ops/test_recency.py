"""What was met fades with what came since, row by row."""

from __future__ import annotations

import pytest
import torch

from recsys_cl.core.values import Ragged
from recsys_cl.ops.recency import strengths

HISTORIES = Ragged(torch.tensor([5, 5, 2, 7]), torch.tensor([0, 3, 3, 4]))  # three things, none, one


@pytest.mark.parametrize(
    ("recency", "expected"), [(0.0, [1, 1, 1, 1]), (1.0, [1 / 3, 1 / 2, 1, 1]), (2.0, [1 / 9, 1 / 4, 1, 1])]
)
def test_strengths_by_hand(recency: float, expected: list[float]) -> None:
    assert strengths(HISTORIES, recency).tolist() == pytest.approx(expected)


def test_of_nothing_there_is_nothing() -> None:
    assert strengths(Ragged(torch.zeros(0, dtype=torch.int64), torch.zeros(3, dtype=torch.int64)), 1.0).numel() == 0
