"""Reproduction: one record a run, variants beside their recipe, differences against what was published, nothing run twice."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks import reproduce, reproduced
from benchmarks.measure import Measured
from recsys_cl.config import load_pipeline, load_recipe
from recsys_cl.ingest.protocols import has_clock

RECORD: dict[str, Any] = {
    "family": "sequence",
    "recipe": "sasrec-softmax",
    "label": "",
    "data": "beauty",
    "command": "python -m benchmarks.reproduce sequence --only sasrec-softmax --data beauty",
    "seconds": 330.1,
    "train_seconds": 317.9,
    "digests": {"train (sha256)": "ef265394a8e1056b"},
    "epochs": 50,
    "test": {"hit_rate@10": 0.0921 * 1.04, "ndcg@10": 0.0531 * 0.98},
}


def keep(runs: Path, folder: str = "", **changes: Any) -> None:
    record = RECORD | changes
    path = runs / record["data"] / folder / f"{record['recipe']}@{record['label']}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(record))


def test_the_page_sets_ours_beside_what_was_published(tmp_path: Path) -> None:
    keep(tmp_path)
    keep(tmp_path, label="rotary", test={"hit_rate@10": 0.1, "ndcg@10": 0.09})
    keep(tmp_path, recipe="average-softmax", test={"hit_rate@10": 0.05, "ndcg@10": 0.02})
    lines = [line for line in reproduced.page(tmp_path).splitlines() if line.startswith("| ") and "metric" not in line]
    assert [line.split(" | ")[0] for line in lines] == [
        "| sasrec-softmax (rotary)",
        "| sasrec-softmax (rotary)",
        "| sasrec-softmax",
        "| sasrec-softmax",
        "| average-softmax",
        "| average-softmax",
    ]
    assert "0.0921 (blondered/transformer_benchmark) | unstated | 0.0958 | +4.0 % |  | 50 | 318 | `ef265394a8e1`" in lines[2]
    assert "-2.0 %" in lines[3]
    assert "|  |  | 0.0500 |  |" in lines[4]
    assert len({line.count("|") for line in reproduced.page(tmp_path).splitlines() if line.startswith("|")}) == 1


def test_the_best_epoch_on_test_stands_beside_its_own_record_alone(tmp_path: Path) -> None:
    chosen = {"epochs": 7, "test": {"hit_rate@10": 0.11, "ndcg@10": 0.07}}
    keep(tmp_path)
    keep(tmp_path, label="rotary", test={"hit_rate@10": 0.1, "ndcg@10": 0.09})
    plain = reproduced.page(tmp_path)
    keep(tmp_path, folder="on-test", **chosen)
    keep(tmp_path, folder="on-test", label="rotary", digests={"train (sha256)": "another"}, **chosen)
    keep(tmp_path, folder="on-test", label="longer", **chosen)
    text = reproduced.page(tmp_path)
    assert "| difference | best epoch on test (to compare) |" in text
    assert (
        "| sasrec-softmax | ndcg@10 | 0.0531 (blondered/transformer_benchmark) | unstated | 0.0520 | -2.0 % |  | 50 |" in plain
    )
    told = [line for line in text.splitlines() if line not in plain.splitlines()]
    assert [line.split(" | ")[:2] + line.split(" | ")[6:8] for line in told] == [
        ["| sasrec-softmax", "hit_rate@10", "0.1100 (epoch 7)", "50"],
        ["| sasrec-softmax", "ndcg@10", "0.0700 (epoch 7)", "50"],
    ]


def test_seeds_are_one_sentence_for_each_variant_and_no_rows(tmp_path: Path) -> None:
    for label, value in (("", 0.1), ("seed 2", 0.2), ("rotary", 0.3), ("rotary seed 2", 0.5), ("rotary seed 3", 0.4)):
        keep(tmp_path, label=label, test={"hit_rate@10": value, "ndcg@10": value / 2})
    text = reproduced.page(tmp_path)
    assert [line.split(" | ")[0] for line in text.splitlines() if "| hit_rate@10" in line] == [
        "| sasrec-softmax (rotary)",
        "| sasrec-softmax",
    ]
    assert "sasrec-softmax, 2 seeds: hit_rate@10 0.1500 ± 0.0707, ndcg@10 0.0750 ± 0.0354 (mean ± standard deviation)." in text
    assert "sasrec-softmax (rotary), 3 seeds: hit_rate@10 0.4000 ± 0.1000" in text


def test_a_recipe_that_falls_short_is_listed_with_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reproduced, "SHORT", tmp_path / "shortfalls.toml")
    entry = '[[short]]\ndata = "{}"\nrecipe = "{}"\nwhy = "{}."\ntried = "{}."\n'
    told = entry.format("beauty", "duorec", "time", "nothing") + entry.format("toys", "sasrec-softmax", "rain", "sun")
    (tmp_path / "shortfalls.toml").write_text(told)
    runs = tmp_path / "runs"
    keep(runs, test={"hit_rate@10": 0.98 * 0.0921, "ndcg@10": 0.01})
    assert reproduced.page(runs).splitlines()[-3:] == [
        "### Short of the published figure",
        "",
        "* `duorec` (hit_rate@10 not run, 0.0825): time. Tried: nothing.",
    ]
    keep(runs, test={"hit_rate@10": 0.97 * 0.0921, "ndcg@10": 0.9})
    keep(runs, recipe="duorec", test={"hit_rate@10": 0.0825, "ndcg@10": 0.01})
    assert reproduced.page(runs).splitlines()[-1] == (
        "* `sasrec-softmax` (hit_rate@10 0.0893 of 0.0921, -3.0 %): not understood. Tried: the rows above."
    )
    keep(runs, label="longer", test={"hit_rate@10": 0.99 * 0.0921, "ndcg@10": 0.01})
    assert "Short of" not in reproduced.page(runs)


def test_every_shortfall_of_the_committed_page_has_a_theory() -> None:
    page = reproduced.page()
    assert "not understood" not in page


@pytest.mark.parametrize(("family", "data"), [(f, d) for f, each in reproduce.DATA.items() for d in each])
def test_what_is_laid_over_a_pipeline_is_that_recipe_refitted(family: str, data: str) -> None:
    changes = reproduce.assignments("sasrec-bce", ["evaluation.exclude_seen=false"])
    made = load_pipeline(Path("pipelines") / f"{data}.toml", changes)
    assert [one.recipe for one in made.experiments] == ["sasrec-bce"]
    assert made.recipes()["sasrec-bce"].training.refit
    assert not made.evaluation.exclude_seen
    beside = reproduce.BASELINES[family]
    assert {load_recipe(name).family for name in reproduce.recipes(family) if name not in beside} == {family}
    assert {load_recipe(name).family for name in beside} <= {"baseline"}


def test_a_reproduction_is_reported_and_registers_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def command(*arguments: str, folder: Path) -> Measured:
        asked.extend(arguments)
        (tmp_path / "report.json").write_text(json.dumps({"facts": {"train (sha256)": "ab", "users": 3}}))
        row = RECORD | {"valid": {}, "recipe": "popular"}
        return Measured("", 1.0, 2.0, {"report": str(tmp_path / "report.html"), "experiments": [row]})

    monkeypatch.setattr(reproduce, "STORE", tmp_path)
    monkeypatch.setattr(reproduce, "command", command)
    record = reproduce.reproduce("graph", "popular", "gowalla", "", ["seed=2"])
    assert asked[:4] == ["run", "pipelines/gowalla.toml", "--only", "report"]
    assert asked[4:10:2] == ["--set"] * 3
    assert record["digests"] == {"train (sha256)": "ab"}
    assert record["command"].startswith("recsys-cl run pipelines/gowalla.toml --only report --set 'experiments=")


def test_each_is_run_once_and_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    runs, out = [], tmp_path / "runs"
    (tmp_path / "beauty").mkdir()
    for module in (reproduce, reproduced):
        monkeypatch.setattr(module, "RUNS", out)
    monkeypatch.setattr(reproduce, "PAGE", tmp_path / "results.md")
    monkeypatch.setattr(reproduce, "page", lambda: reproduced.page(out))
    monkeypatch.setattr(reproduce, "REAL", tmp_path)
    monkeypatch.setattr(reproduce, "reproduce", lambda *asked: runs.append(asked) or RECORD)

    def run(*arguments: str) -> None:
        monkeypatch.setattr(sys, "argv", ["reproduce", "sequence", "--only", "sasrec-softmax", *arguments])
        reproduce.main()

    run()
    run()
    assert runs == [("sequence", "sasrec-softmax", "beauty", "", [])]
    assert "toys: left out" in capsys.readouterr().out
    run("--set", "override.encoder.positions=rotary", "--label", "rotary")
    assert len(runs) == 2
    run("--set", "override.encoder.positions=rotary", "--label", "rotary", "--seeds", "2")
    assert runs[2:] == [
        ("sequence", "sasrec-softmax", "beauty", "rotary seed 2", ["override.encoder.positions=rotary", "seed=2"])
    ]
    assert sorted(path.name for path in out.rglob("*.json")) == [
        "sasrec-softmax.json",
        "sasrec-softmax@rotary-seed-2.json",
        "sasrec-softmax@rotary.json",
    ]
    assert "sasrec-softmax" in (tmp_path / "results.md").read_text()
    with pytest.raises(SystemExit):
        run("--set", "seed=2")
    monkeypatch.setattr(reproduce, "on_test", lambda *asked: runs.append(("on test", *asked)) or RECORD | {"epochs": 7})
    run("--on-test")
    run("--on-test")
    assert runs[3:] == [("on test", "sequence", "sasrec-softmax", "beauty", "", [])]
    assert json.loads((out / "beauty/on-test/sasrec-softmax.json").read_text())["epochs"] == 7
    assert json.loads((out / "beauty/sasrec-softmax.json").read_text())["epochs"] == 50
    assert "(epoch 7)" in (tmp_path / "results.md").read_text()


@pytest.mark.parametrize("data", reproduce.DATA["sequence"])
def test_published_sequences_are_compared_under_their_own_split_and_under_one_clock(data: str) -> None:
    made = load_pipeline(Path("pipelines") / f"{data}.toml", ['experiments=[{recipe="sasrec-softmax"},{recipe="ease"}]'])
    splits = made.protocols.of(made.prepare.split)
    assert splits["leave_last_out"] == made.prepare.split
    assert [split.use for split in splits.values()] == ["leave_last_out", "time"]
    assert has_clock(made.ingest.source)
