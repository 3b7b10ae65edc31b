"""A film by two directors is met with both, and one whose director is unknown with nobody."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from benchmarks import few_shot


def test_a_film_stands_for_each_of_its_directors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder := tmp_path / "ml-100k").mkdir()
    films = pd.DataFrame({"item": [1, 2, 3, 4], "director": ["Ana, Bo", "Bo", "", None]})
    films.to_parquet(folder / "items.parquet")
    met = pd.DataFrame({"user": [7, 8, 7, 9, 9], "item": [2, 1, 3, 4, 2], "timestamp": [30, 10, 20, 5, 40]})
    met.to_parquet(folder / "interactions.parquet")
    monkeypatch.setattr(few_shot, "REAL_DATA", tmp_path)
    made = pd.read_parquet(few_shot.by_director(tmp_path / "out"))
    rows = made[["timestamp", "user", "director"]].values.tolist()
    assert rows == [[10, 8, "Ana"], [10, 8, "Bo"], [30, 7, "Bo"], [40, 9, "Bo"]]
