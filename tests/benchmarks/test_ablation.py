"""The ablation: one thing differs at a time, nothing is refitted, each change is run where its default is measured, once."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from benchmarks import ablation
from benchmarks.defaults import DEFAULTS, GRAPHS, HISTORIES, Default, default_of
from recsys_cl.config import load_recipe
from tests.benchmarks.test_backbone import PIPELINE, SMALL

CASES = [pytest.param(default, name, id=f"{default.family}-{name}") for default in DEFAULTS for name in default.changes]


def leaves(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Settings by dotted name; a list is one."""
    found: dict[str, Any] = {}
    for key, value in values.items():
        found |= leaves(value, f"{prefix}{key}.") if isinstance(value, Mapping) else {prefix + key: value}
    return found


@pytest.mark.parametrize(("default", "name"), CASES)
def test_one_thing_differs_and_nothing_is_refitted(default: Default, name: str, tmp_path: Path) -> None:
    (path := tmp_path / "small.toml").write_text(PIPELINE)
    made = ablation.planned(default, path, name).recipes()
    plain, changed = (leaves(made[label].settings()) for label in (default.recipe, name))
    assert plain == leaves(load_recipe(default.recipe).settings()) | {"training.refit": False}
    assert changed == plain | leaves(default.changes[name])
    assert all(plain.get(key) != value for key, value in leaves(default.changes[name]).items())


def test_what_validation_prefers_on_a_data_set_is_laid_beneath_both(tmp_path: Path) -> None:
    (path := tmp_path / "yelp2018.toml").write_text(PIPELINE)
    made = ablation.planned(GRAPHS, path, "dim-32").recipes()
    plain, changed = (leaves(made[label].settings()) for label in (GRAPHS.recipe, "dim-32"))
    expected = leaves(load_recipe(GRAPHS.recipe).settings()) | leaves(GRAPHS.there["yelp2018"]) | {"training.refit": False}
    assert plain == expected != leaves(load_recipe(GRAPHS.recipe).settings()) | {"training.refit": False}
    assert changed == plain | {"encoder.dim": 32}


def test_a_data_set_says_which_default_is_meant() -> None:
    known = [data for default in DEFAULTS for data in default.data]
    assert len(set(known)) == len(known)
    for default in DEFAULTS:
        assert [default_of(data) for data in default.data] == [default] * len(default.data)
        assert load_recipe(default.recipe).family == {"histories": "sequence", "graphs": "graph"}[default.family]


def test_a_change_is_run_where_its_default_is_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    runs: list[tuple[str, str, list[str]]] = []
    for data in ("beauty", "gowalla"):
        (tmp_path / data).mkdir()
    monkeypatch.setattr(ablation, "REAL", tmp_path)
    monkeypatch.setattr(ablation, "run", lambda default, data, names, *_: runs.append((default.recipe, data, names)))
    monkeypatch.setattr(ablation, "told", lambda default: None)

    def asked(*arguments: str) -> None:
        monkeypatch.setattr(sys, "argv", ["ablation", *arguments])
        ablation.main()

    asked("--only", "no-graph", "dot-product")
    assert runs == [
        ("average-softmax", "beauty", ["dot-product"]),
        ("spectral-softmax", "gowalla", ["no-graph", "dot-product"]),
    ]
    assert "toys: left out" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        asked("--only", "no-graph", "--data", "beauty")
    assert "no change 'no-graph' for beauty" in capsys.readouterr().err


def at_home(default: Default, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Default:
    """The default, measured on a small data set and kept in ``tmp_path``."""
    for name, place in (("RUNS", "runs"), ("STORE", "store")):
        monkeypatch.setattr(ablation, name, tmp_path / place)
    return replace(default, data=("small",), page=tmp_path / "page.md")


@pytest.mark.slow
def test_what_is_there_is_not_run_again_unless_the_default_has_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (path := tmp_path / "small.toml").write_text(PIPELINE)
    default = at_home(HISTORIES, tmp_path, monkeypatch)
    few = [*SMALL, "override.training.epochs=1"]
    ablation.run(default, "small", ["no-dropout"], path, few)
    assert "train/no-dropout: done" in capsys.readouterr().out
    assert "| no-dropout |" in (tmp_path / "page.md").read_text()
    ablation.run(default, "small", ["no-dropout"], path, few)
    assert "there already" in capsys.readouterr().out
    kept = tmp_path / "runs/small/no-dropout.json"
    kept.write_text(json.dumps({**json.loads(kept.read_text()), "base": {}}))
    ablation.run(default, "small", ["no-dropout"], path, few)
    assert "train/no-dropout: skipped" in capsys.readouterr().out


@pytest.mark.slow
@pytest.mark.parametrize("name", ["no-graph", "with-edge-drop-contrast", "log-q"])
def test_a_graph_is_measured_by_what_its_page_shows(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (path := tmp_path / "small.toml").write_text(PIPELINE.replace("sasrec-softmax", "popular"))
    default = at_home(GRAPHS, tmp_path, monkeypatch)
    ablation.run(default, "small", [name], path)
    kept = json.loads((tmp_path / f"runs/small/{name}.json").read_text())
    assert [sorted(each) for each in kept["valid"]] == [["ndcg@20", "recall@20"]] * 2
    assert sorted(row["metric"] for row in kept["metrics"]) == ["ndcg@20", "recall@20"]
    assert kept["valid"][0] != kept["valid"][1]
    assert f"| {name} | {kept['valid'][0]['recall@20']:.4f} |" in default.page.read_text()
