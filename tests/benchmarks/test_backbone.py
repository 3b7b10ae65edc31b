"""Contrast on the backbone: nothing but the contrast differs, differences are paired, verdicts corrected, runs resumed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas
import pytest
from pyarrow import parquet

from benchmarks import backbone, backbone_page
from recsys_cl.config import load_recipe

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
ks = [10, 20]
[[experiments]]
recipe = "sasrec-softmax"
"""
SMALL = ["override.encoder.dim=8", "override.sampler.negatives=8"]


@pytest.mark.parametrize("name", backbone.CONTRASTS)
def test_nothing_but_the_contrast_differs(name: str, tmp_path: Path) -> None:
    (path := tmp_path / "small.toml").write_text(PIPELINE)
    made = backbone.planned(path, [name], 3).recipes()
    plain, ours, theirs = (
        each.settings() for each in (made["sasrec-softmax"], made[f"with-{name}"], load_recipe(backbone.apart(name)[0]))
    )
    for key in ("source", "sampler", "encoder", "training"):
        assert ours[key] == plain[key]
    assert ours["training"]["epochs"] == 3
    assert ours["objectives"]["softmax"] == plain["objectives"]["softmax"]
    assert set(ours["objectives"]) - {"softmax"} == set(theirs["objectives"]) - {"softmax", "bce"} != set()
    assert ours["views"] == theirs["views"] != plain["views"]
    assert ours["method"]["use"] == theirs["method"]["use"]
    by_cosine = {"cl4srec", "coserec-cosine", "duorec", "iclrec", "mclrec-style-cosine"}
    assert (ours["objectives"]["contrast"].get("similarity", "cosine") == "cosine") == (name in by_cosine)
    assert (ours["method"].get("compare", "cosine") == "cosine") == (name != "iclrec-dot")
    assert ours["method"]["similarity"] == plain["method"]["similarity"] == "cosine"


def values(store: Path, label: str) -> pandas.DataFrame:
    (file,) = store.rglob(f"evaluate-{label}/*/evaluation-{label}/per_user.parquet")
    return parquet.read_table(file).to_pandas().set_index("user_id")


@pytest.mark.slow
def test_a_difference_is_that_of_the_users_and_is_made_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (path := tmp_path / "small.toml").write_text(PIPELINE)
    for name, place in (("RUNS", "runs"), ("STORE", "store"), ("PAGE", "page.md")):
        monkeypatch.setattr(backbone, name, tmp_path / place)
    backbone.run("small", ["duorec"], 1, path, SMALL)
    assert "train/with-duorec: done" in capsys.readouterr().out
    record = json.loads((tmp_path / "runs/small/1-epochs/duorec.json").read_text())
    frames = [values(tmp_path / "store", label) for label in ("with-duorec", "sasrec-softmax")]
    for row in record["metrics"]:
        mean = (frames[0][row["metric"]] - frames[1][row["metric"]]).mean()
        assert row["difference"] == pytest.approx(mean)
        assert row["interval"][0] <= mean <= row["interval"][1]
    assert "| duorec | ndcg@10 |" in (tmp_path / "page.md").read_text()
    backbone.run("small", ["duorec"], 1, path, SMALL)
    assert "there already" in capsys.readouterr().out


def row(difference: float, p: float, **changes: Any) -> dict[str, Any]:
    reach = 0.001
    interval = [difference - reach, difference + reach]
    told = {"metric": "ndcg@10", "a": 0.05 + difference, "b": 0.05, "difference": difference, "interval": interval}
    return told | {"relative": difference / 0.05, "p": p, "reliable": True} | changes


@pytest.mark.parametrize(
    ("given", "p", "said"),
    [
        (row(0.004, 0.001), 0.002, "helps"),
        (row(-0.004, 0.001), 0.002, "hurts"),
        (row(0.004, 0.03), 0.06, "no difference shown"),
        (row(0.0005, 0.001), 0.002, "no difference shown"),
        (row(0.004, 0.001, reliable=False), 0.002, "too few users"),
    ],
)
def test_a_verdict_needs_the_interval_and_the_corrected_p(given: dict[str, Any], p: float, said: str) -> None:
    assert backbone_page.verdict(given, p) == said


def test_the_page_corrects_all_rows_of_a_table_together_and_names_its_budget(tmp_path: Path) -> None:
    (tmp_path / "beauty/9-epochs").mkdir(parents=True)
    for name, difference, p in (("duorec", 0.004, 0.02), ("cl4srec", -0.004, 0.04)):
        record = {"contrast": name, "users": 22_363, "command": "run", "epochs": [9, 9], "train_seconds": [20.4, 10.0]}
        (tmp_path / f"beauty/9-epochs/{name}.json").write_text(json.dumps(record | {"metrics": [row(difference, p)]}))
    text = backbone_page.page(tmp_path)
    assert "## beauty, a short budget: 9 epochs for each" in text
    lines = [line for line in text.splitlines() if line.startswith("| ")][1:]
    assert lines == [
        "| duorec | ndcg@10 | 0.0500 | 0.0540 | +0.0040 [+0.0030, +0.0050] | +8.0 % | 0.04 | helps | 9 against 9 | 20 against 10 |",
        "| cl4srec | ndcg@10 | 0.0500 | 0.0460 | -0.0040 [-0.0050, -0.0030] | -8.0 % | 0.04 | hurts | 9 against 9 | 20 against 10 |",
    ]
