"""The report compares what was chosen on validation, on the same users."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from recsys_cl.reporting.evidence import Trial
from recsys_cl.stages.report import compare


def trial(name: str, valid: float, parameters: int) -> Trial:
    return Trial(name, name, "", "graph", 1, 1.0, parameters, {"ndcg@20": valid}, {}, [], {})


@pytest.fixture
def folders(tmp_path: Path) -> dict[str, Path]:
    rng = np.random.default_rng(0)
    base = rng.random(300)
    values = {"popular": base, "recent": base + 0.3, "good": base + 0.5, "lucky": base + 0.9}
    for name, value in values.items():
        (tmp_path / name).mkdir()
        frame = pd.DataFrame({"user": np.arange(300), "ndcg@20": value + rng.normal(0, 0.01, 300)})
        frame.sample(frac=1, random_state=1).to_parquet(tmp_path / name / "per_user.parquet")
    return {name: tmp_path / name for name in values}


def test_both_sides_are_chosen_on_validation_never_on_test(folders: dict[str, Path]) -> None:
    trials = [trial("popular", 0.2, 0), trial("recent", 0.1, 0), trial("good", 0.5, 9), trial("lucky", 0.4, 9)]
    found = compare(trials, folders, "ndcg@20")
    assert found is not None
    assert (found.trial, found.baseline) == ("good", "popular")
    assert found.low < 0.5 < found.high
    assert found.high - found.low < 0.01, "users are paired, whatever the order of their rows"


def test_without_a_baseline_or_a_learnt_recipe_nothing_is_claimed(folders: dict[str, Path]) -> None:
    assert compare([trial("popular", 0.2, 0)], folders, "ndcg@20") is None
    assert compare([trial("good", 0.2, 9)], folders, "ndcg@20") is None
