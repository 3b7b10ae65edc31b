"""What the ablation writes: a page for each default that has records, the default first, then what validation prefers."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from benchmarks import ablation, ablation_page
from benchmarks.defaults import DEFAULTS, GRAPHS, HISTORIES, Default


def record(metrics: tuple[str, str], name: str, valid: float, test: float) -> dict[str, Any]:
    figures = {metrics[0]: 2.0, metrics[1]: 1.0}
    return {
        "name": name,
        "users": 22_363,
        "command": "run",
        "base": {},
        "train_seconds": [20.4, 10.0],
        "valid": [{metric: valid * size for metric, size in figures.items()}, {metrics[0]: 0.2, metrics[1]: 0.1}],
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


@pytest.mark.parametrize("default", DEFAULTS, ids=lambda default: default.family)
def test_the_page_puts_the_default_first_and_then_what_validation_prefers(default: Default, tmp_path: Path) -> None:
    folder = tmp_path / default.data[0]
    folder.mkdir()
    for name, valid, test in (("no-dropout", 0.08, 0.06), ("dim-64", 0.09, 0.04)):
        (folder / f"{name}.json").write_text(json.dumps(record(default.metrics, name, valid, test)))
    text = ablation_page.page(default, tmp_path)
    lines = [line for line in text.splitlines() if line.startswith("| ")][1:]
    assert lines == [
        "| the default | 0.2000 | 0.1000 | 0.1000 | 0.0500 |  | 10 |",
        "| dim-64 | 0.1800 | 0.0900 | 0.0800 | 0.0400 | -0.0100 [-0.0200, +0.0100] | 20 |",
        "| no-dropout | 0.1600 | 0.0800 | 0.1200 | 0.0600 | +0.0100 [-0.0200, +0.0100] | 20 |",
    ]
    assert text.startswith(f"# The default for {default.family}, part by part")


def test_each_default_has_a_page_of_its_own_once_there_is_a_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ablation, "RUNS", tmp_path)
    for data, metrics in (("gowalla", GRAPHS.metrics), ("beauty", HISTORIES.metrics)):
        (tmp_path / data).mkdir()
        (tmp_path / data / "dim-64.json").write_text(json.dumps(record(metrics, "dim-64", 0.09, 0.04)))
    graphs, histories = (replace(default, page=tmp_path / f"{default.family}.md") for default in (GRAPHS, HISTORIES))
    ablation.told(graphs)
    assert [path.name for path in tmp_path.glob("*.md")] == ["graphs.md"]
    text = graphs.page.read_text()
    assert "`spectral-softmax` against itself" in text
    assert "## gowalla" in text
    assert "beauty" not in text
    assert "| change | valid R@20 | valid N@20 | test R@20 | test N@20 | difference in test N@20 | training, s |" in text
    ablation.told(histories)
    assert "| change | valid HR@10 | valid N@10 | test HR@10 | test N@10 |" in histories.page.read_text()
    (tmp_path / "gowalla/dim-64.json").unlink()
    graphs.page.unlink()
    ablation.told(graphs)
    assert not graphs.page.exists()
