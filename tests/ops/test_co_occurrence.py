"""The nearest items against a dense formula, whatever the block."""

from __future__ import annotations

import math

import pytest
import torch

from recsys_cl.ops import co_occurrence
from recsys_cl.ops.co_occurrence import nearest_items
from tests.graphs import SHAPE, interactions


@pytest.mark.parametrize("cells", [1, 2**24])
@pytest.mark.parametrize("count", [2, 99])
def test_the_nearest_are_those_of_the_formula(monkeypatch: pytest.MonkeyPatch, cells: int, count: int) -> None:
    monkeypatch.setattr(co_occurrence, "_CELLS", cells)
    log = interactions(count=18)
    met = torch.zeros(SHAPE.users, SHAPE.items, dtype=torch.float64)
    met[log.users, log.items] = 1
    both = met.T @ met
    mass = both.sum(1).tolist()
    weight = torch.tensor(
        [
            [
                both[i, j] * math.sqrt(mass[i] + 1) / mass[i] / math.sqrt(mass[j] + 1) if mass[i] else 0.0
                for j in range(SHAPE.items)
            ]
            for i in range(SHAPE.items)
        ]
    )
    nearest, weights = nearest_items(log, count)
    expected = weight.topk(min(count, SHAPE.items)).values
    assert torch.allclose(weights, expected.float(), atol=1e-6)
    assert torch.allclose(weight.gather(1, nearest), expected)
