"""The best epoch on test: what a refit of that many epochs reaches, at the best of them all; all of train.txt is learnt from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from benchmarks import on_test, reproduce
from recsys_cl.config import load_pipeline, load_recipe
from recsys_cl.core.files import digest_file
from recsys_cl.stages.measured import read_measured
from recsys_cl.stages.pipeline import stages_of
from recsys_cl.stages.runner import run_stages
from recsys_cl.stages.store import Store
from recsys_cl.stages.tracking import Tracking

RECIPE = "lightgcn-softmax"
EPOCHS = 3
FEW = ["override.encoder.dim=8", "override.source.batch_size=64", "override.training.learning_rate=0.05"]


def published(folder: Path) -> Path:
    """A published split of 40 users who each like one half of 30 items, and the pipeline that reads it."""
    rng = np.random.default_rng(1)
    parts: dict[str, list[str]] = {"train": [], "valid": [], "test": []}
    for user in range(40):
        liked = [str(item) for item in rng.permutation(np.arange(user % 2, 30, 2))[:12]]
        for part, items in (("train", liked[:9]), ("valid", liked[7:9]), ("test", liked[9:])):
            parts[part].append(" ".join([str(user), *items]))
    for part, lines in parts.items():
        (folder / f"{part}.txt").write_text("\n".join(lines) + "\n")
    (path := folder / "planted.toml").write_text(f"""
name = "planted"
[ingest.source]
use = "published"
path = "{folder}"
valid = "valid.txt"
[prepare]
split = {{ use = "published" }}
[[experiments]]
recipe = "{RECIPE}"
""")
    return path


def refitted(path: Path, epochs: int, home: Path) -> tuple[dict[str, float], dict[str, str]]:
    """The ordinary pipeline's test figures after so many epochs on train + valid, and the digests of its data."""
    plan = [f"override.training.epochs={epochs}", f"override.training.evaluate_every={epochs}"]
    pipeline = load_pipeline(path, [*reproduce.assignments(RECIPE, FEW), *plan])
    store = Store(home / f"{epochs}")
    made = run_stages(stages_of(pipeline, Tracking("planted", home)), store, lambda *_: None, until="evaluate").artifacts
    measured = read_measured(made[f"evaluation/{RECIPE}"].path, RECIPE)
    digests = {part: digest_file(made[part].path) for part in ("train", "valid")} | {"test": measured.facts["test_digest"]}
    return measured.means(), {f"{part} (sha256)": digest for part, digest in digests.items()}


@pytest.mark.slow
def test_it_is_the_best_of_what_refits_of_every_length_reach_on_test(tmp_path: Path) -> None:
    path = published(tmp_path)
    more = [*FEW, f"override.training.epochs={EPOCHS}", f"override.training.evaluate_every={EPOCHS}"]
    found = on_test.best_on_test(path, RECIPE, reproduce.assignments(RECIPE, more), tmp_path / "data")
    refits = [refitted(path, epochs, tmp_path / "refits") for epochs in range(1, EPOCHS + 1)]
    reached: list[dict[str, float]] = [figures for figures, _ in refits]
    best = max(range(EPOCHS), key=lambda number: reached[number]["ndcg@20"])
    assert found["epochs"] == best + 1
    assert found["epochs_run"] == EPOCHS
    assert found["test"] == pytest.approx(reached[best], abs=1e-6)
    assert found["digests"] == refits[0][1]
    assert len({figures["ndcg@20"] for figures in reached}) == EPOCHS


def test_training_reads_all_of_the_train_file_and_the_choice_reads_test(tmp_path: Path) -> None:
    pipeline = load_pipeline(published(tmp_path))
    stages: list[Any] = [*stages_of(pipeline, Tracking("planted", tmp_path))[:2], on_test.ChosenOnTest()]
    made = run_stages(stages, Store(tmp_path / "store"), lambda *_: None).artifacts
    rows = {part: pq.read_table(made[part].path) for part in ("train", "valid", "test")}
    assert len(rows["train"]) == 40 * 9
    assert rows["valid"].equals(rows["test"])
    assert len(rows["test"]) == 40 * 3
    names = {
        kind: pq.read_table(made["vocabulary"].path / f"{kind}s.parquet")[f"{kind}_id"].to_pylist() for kind in ("user", "item")
    }
    pairs = {(names["user"][row["user"]], names["item"][row["item"]]) for row in rows["train"].to_pylist()}
    lines = [line.split() for line in (tmp_path / "train.txt").read_text().splitlines()]
    assert pairs == {(user, item) for user, *items in lines for item in items}


def test_every_epoch_is_measured_and_patience_lasts_as_many_epochs() -> None:
    recipe = load_recipe(RECIPE, {"training": {"refit": True, "evaluate_every": 5, "patience": 4}})
    plan = on_test.every_epoch(recipe).training
    assert (plan.refit, plan.evaluate_every, plan.patience) == (False, 1, 20)
    assert on_test.every_epoch(load_recipe(RECIPE, {"training": {"patience": None}})).training.patience is None
