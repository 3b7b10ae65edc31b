"""Ties of one user's times, counted by one sorted number a row, are those that are counted pair by pair."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from recsys_cl.core.values import Shape
from recsys_cl.ingest.preparing.data_report import _tied, _ties
from recsys_cl.ingest.preparing.preparation import Part


def counted(parts: tuple[Part, ...], users: int) -> list[int]:
    rows = [[(int(u), int(t)) for u, t in zip(part.users, part.times, strict=True) if u < users] for part in parts]
    often = Counter(row for part in rows for row in part)
    return [sum(often[row] > 1 for row in part) for part in rows]


def repeated(part: Part, users: int) -> int:
    rows = [(int(u), int(t)) for u, t in zip(part.users, part.times, strict=True) if u < users]
    return len(rows) - len(set(rows))


@pytest.mark.parametrize("latest", [2, 6, 60])
def test_ties_are_those_of_every_pair(latest: int) -> None:
    rng, found = np.random.default_rng(0), 0
    for _ in range(40):
        sizes = rng.integers(0, 12, 3)
        parts = tuple(
            Part(rng.integers(0, 6, n).astype(np.int32), np.zeros(n, np.int32), rng.integers(-3, latest, n)) for n in sizes
        )
        ties = _tied(parts, Shape(5, 1))
        assert ties == counted(parts, 5)
        assert [_ties(part, Shape(5, 1)) for part in parts] == [repeated(part, 5) for part in parts]
        found += sum(ties)
    assert found
