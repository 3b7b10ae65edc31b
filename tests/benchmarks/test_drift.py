"""The drift of a published split: found where it is planted, absent where there is none."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks.drift import drift, likeness


def folder(tmp_path: Path, train: list[list[int]], test: list[list[int]]) -> Path:
    for name, rows in (("train", train), ("valid_lightgcnpp", [row[-1:] for row in train]), ("test", test)):
        (tmp_path / f"{name}.txt").write_text("".join(f"{user} {' '.join(map(str, row))}\n" for user, row in enumerate(rows)))
    return tmp_path


def test_lists_that_go_from_popular_to_rare_fall_and_their_end_is_rare(tmp_path: Path) -> None:
    found = drift(
        folder(tmp_path, [[0, 1, 2, 3, 10 + user] for user in range(20)], [[10 + (user + 1) % 20] for user in range(20)])
    )
    assert found["train_by_fifths"] == pytest.approx([3.045] * 4 + [0.693], abs=1e-3)  # log 21, log 2
    assert found["valid"] == found["test"] == pytest.approx(0.693, abs=1e-3)
    assert found["test_if_drawn"] > 2 * found["test"]


def test_lists_without_drift_give_one_figure(tmp_path: Path) -> None:
    found = drift(
        folder(tmp_path, [[(user + step) % 5 for step in range(5)] for user in range(20)], [[user % 5] for user in range(20)])
    )
    assert [*found["train_by_fifths"], found["valid"], found["test"]] == pytest.approx([3.045] * 7, abs=1e-3)


def moving(*, backwards: bool = False) -> tuple[list[list[int]], list[list[int]]]:
    """Everybody goes through 120 items in turn, each from another place: 30 of train, then six of test."""
    rows = [[(user + step) % 120 for step in range(36)] for user in range(120)]
    rows = [row[::-1] for row in rows] if backwards else rows
    return [row[:30] for row in rows], [row[30:] for row in rows]


def test_what_comes_next_is_most_like_the_newest(tmp_path: Path) -> None:
    for name, parts in (("forth", moving()), ("back", moving(backwards=True))):
        (tmp_path / name).mkdir()
        found = likeness(folder(tmp_path / name, *parts), dim=5)
        assert found["users"] == 120
        assert found["test_with_fifths"] == sorted(found["test_with_fifths"])
        assert found["test_with_fifths"][-1] > 1.2 * found["test_with_fifths"][0]
        assert found["fifths"][0] == sorted(found["fifths"][0], reverse=True)


def test_parts_drawn_at_random_are_alike_and_short_lists_are_left_out(tmp_path: Path) -> None:
    rng, (train, test) = np.random.default_rng(3), moving()
    rows = [rng.permutation(known + asked).tolist() for known, asked in zip(train, test, strict=True)]
    found = likeness(folder(tmp_path, [*(row[:30] for row in rows), [1, 2, 3]], [*(row[30:] for row in rows), [4]]), dim=5)
    assert found["users"] == 120
    assert max(found["test_with_fifths"]) < 1.03 * min(found["test_with_fifths"])
