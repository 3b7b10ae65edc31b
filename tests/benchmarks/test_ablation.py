"""The ablation: one thing differs at a time, nothing is refitted, the page puts what validation prefers first."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks import ablation, ablation_page
from tests.benchmarks.test_backbone import PIPELINE, SMALL


@pytest.mark.parametrize("name", ablation.CHANGES)
def test_one_thing_differs_and_nothing_is_refitted(name: str, tmp_path: Path) -> None:
    (path := tmp_path / "small.toml").write_text(PIPELINE)
    made = ablation.planned(path, name).recipes()
    plain, changed = made[ablation.BASE].settings(), made[name].settings()
    assert not plain["training"]["refit"]
    assert not changed["training"]["refit"]
    assert {key for key in plain if plain[key] != changed[key]} == set(ablation.CHANGES[name])


def record(name: str, valid: float, test: float) -> dict[str, Any]:
    figures = {"hit_rate@10": 2.0, "ndcg@10": 1.0}
    return {
        "name": name,
        "users": 22_363,
        "command": "run",
        "base": {},
        "train_seconds": [20.4, 10.0],
        "valid": [{metric: valid * size for metric, size in figures.items()}, {"hit_rate@10": 0.2, "ndcg@10": 0.1}],
        "metrics": [
            {
                "metric": metric,
                "a": test * size,
                "b": 0.05 * size,
                "difference": test * size - 0.05 * size,
                "interval": [-0.02, 0.01],
            }
            for metric, size in figures.items()
        ],
    }


def test_the_page_puts_the_default_first_and_then_what_validation_prefers(tmp_path: Path) -> None:
    (tmp_path / "beauty").mkdir()
    for name, valid, test in (("no-dropout", 0.08, 0.06), ("dim-64", 0.09, 0.04)):
        (tmp_path / f"beauty/{name}.json").write_text(json.dumps(record(name, valid, test)))
    lines = [line for line in ablation_page.page(tmp_path).splitlines() if line.startswith("| ")][1:]
    assert lines == [
        "| the default | 0.2000 | 0.1000 | 0.1000 | 0.0500 |  | 10 |",
        "| dim-64 | 0.1800 | 0.0900 | 0.0800 | 0.0400 | -0.0100 [-0.0200, +0.0100] | 20 |",
        "| no-dropout | 0.1600 | 0.0800 | 0.1200 | 0.0600 | +0.0100 [-0.0200, +0.0100] | 20 |",
    ]


@pytest.mark.slow
def test_what_is_there_is_not_run_again_unless_the_default_has_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (path := tmp_path / "small.toml").write_text(PIPELINE)
    for name, place in (("RUNS", "runs"), ("STORE", "store"), ("PAGE", "page.md")):
        monkeypatch.setattr(ablation, name, tmp_path / place)
    few = [*SMALL, "override.training.epochs=1"]
    ablation.run("small", ["no-dropout"], path, few)
    assert "train/no-dropout: done" in capsys.readouterr().out
    assert "| no-dropout |" in (tmp_path / "page.md").read_text()
    ablation.run("small", ["no-dropout"], path, few)
    assert "there already" in capsys.readouterr().out
    kept = tmp_path / "runs/small/no-dropout.json"
    kept.write_text(json.dumps({**json.loads(kept.read_text()), "base": {}}))
    ablation.run("small", ["no-dropout"], path, few)
    assert "train/no-dropout: skipped" in capsys.readouterr().out
