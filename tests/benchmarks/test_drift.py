"""The drift of a published split: found where it is planted, absent where there is none."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.drift import drift


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
