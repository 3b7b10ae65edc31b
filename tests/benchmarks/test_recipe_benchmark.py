"""Recipes are paired with every base that is named, user by user, and the figures say of which data they are."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks import measure, recipes

PIPELINE = """
name = "small"
[ingest.source]
use = "synthetic"
users = 60
items = 40
events = 1500
[prepare]
split = { use = "leave_last_out" }
[evaluation]
ks = [20]
[[experiments]]
recipe = "item-knn"
[[experiments]]
recipe = "puresvd"
set.encoder.dim = 4
"""


def told(folder: Path, monkeypatch: pytest.MonkeyPatch, *bases: str) -> dict[str, Any]:
    (path := folder / "small.toml").write_text(PIPELINE)
    monkeypatch.setattr(sys, "argv", ["recipes", str(path), "--store", str(folder / "store"), "--base", *bases])
    monkeypatch.setattr(measure, "RESULTS", folder)
    recipes.main()
    found: dict[str, Any] = json.loads((folder / "recipes_small.json").read_text())
    return found


@pytest.mark.slow
def test_each_recipe_is_paired_with_every_base(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = told(tmp_path, monkeypatch, "item-knn", "puresvd")
    rows = found["recipes"]
    assert {"item-knn", "puresvd", "popular"} <= set(rows)
    assert found["base"] == "item-knn"
    assert 0 < found["users"] <= 60
    assert found["data"].startswith("sha256:")
    for metric in recipes.METRICS:
        means = {name: row[metric]["mean"] for name, row in rows.items()}
        assert len(set(means.values())) > 2
        for name, row in rows.items():
            for base, difference in (("item-knn", row[metric]["difference"]), ("puresvd", row["to puresvd"][metric])):
                assert difference[0] == pytest.approx(means[name] - means[base], abs=2e-4), (name, base)
                assert difference[1] <= difference[0] <= difference[2]
                assert (difference == [0, 0, 0]) == (name == base)


def test_a_base_that_is_no_recipe_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    with pytest.raises(SystemExit):
        told(tmp_path, monkeypatch, "item-nn")
    assert "--base: no recipe 'item-nn' in this pipeline; did you mean 'item-knn'?" in capsys.readouterr().err
