"""People of whom nothing is in train: in no artifact of training, and asked for as a service would be, by n of their items."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from safetensors.torch import load_file

from recsys_cl.config import load_recipe
from recsys_cl.core.errors import Refused
from recsys_cl.core.protocols import Job
from recsys_cl.core.runtime import Runtime
from recsys_cl.core.settings import Component
from recsys_cl.core.values import Fold, Interactions, Shape
from recsys_cl.evaluation.settings import Evaluation, build_metrics
from recsys_cl.ingest.dataset import load_shape, load_users
from recsys_cl.ingest.prepare import Prepare
from recsys_cl.ingest.strangers import Strangers, load_strangers
from recsys_cl.serving.bundle import Bundle, assemble
from recsys_cl.serving.reader import ByRule
from recsys_cl.stages.evaluate import EvaluateStage
from recsys_cl.stages.prepare import PrepareStage
from recsys_cl.stages.strangers import ask, asked_of
from recsys_cl.stages.train import TrainStage
from tests.ingest.coded import write_log

USERS = [f"user{number:03}" for number in range(30)]
ROWS = [
    (user, f"i{(3 * step + 5 * number) % 20}", 100 * step + number) for number, user in enumerate(USERS) for step in range(8)
]
RULES = Evaluation(metrics=("ndcg", "recall"), ks=(5,), shots=(0, 1, 3))
CPU = Runtime(device="cpu")


def prepared(folder: Path, use: str = "user_cold") -> dict[str, Path]:
    """The data set's artifacts by name."""
    pq.write_table(pa.table({"item_id": [f"i{number}" for number in range(20)]}), folder / "items.parquet")
    pq.write_table(pa.table({"user_id": USERS}), folder / "users.parquet")
    (folder / "drift").write_text("{}")
    log = write_log(folder / "log.parquet", ROWS)
    reads = {name: folder / f"{name}.parquet" for name in ("items", "users")}
    job = Job({"interactions": log, **reads, "drift": folder / "drift"}, folder / "prepare", "")
    job.scratch.mkdir()
    PrepareStage(Prepare(split=Component(use=use))).run(job)
    return {name: job.out(name) for name in ("train", "valid", "test", "vocabulary")}


def trained(name: str, folder: Path, reads: dict[str, Path]) -> tuple[Path, EvaluateStage, Job]:
    """A trained model's folder, the stage that evaluates it, and that stage's errand."""
    recipe = load_recipe(name, {"encoder": {"dim": 8}, "training": {"epochs": 2, "select": "ndcg@5"}})
    train = Job(reads, folder / "train", "")
    train.scratch.mkdir()
    TrainStage(name, recipe, RULES, CPU, 1).run(train)
    evaluate = Job({**reads, f"model/{name}": train.out(f"model/{name}")}, folder / "evaluate", "")
    evaluate.scratch.mkdir()
    return train.out(f"model/{name}"), EvaluateStage(name, recipe, RULES, CPU, 1), evaluate


@pytest.mark.slow
@pytest.mark.parametrize("name", ["meta-mf", "anil-sasrec", "proto-cold"])
def test_nothing_of_a_stranger_is_in_any_artifact_of_training(name: str, tmp_path: Path) -> None:
    reads = prepared(tmp_path)
    model, stage, job = trained(name, tmp_path, reads)
    shape, known = load_shape(reads["vocabulary"]), set(load_users(reads["vocabulary"])["user_id"])
    strangers = load_strangers(reads["test"], shape)
    assert strangers is not None
    assert len(strangers.ids) == 6
    assert known.isdisjoint(strangers.ids)
    assert known | set(strangers.ids) == set(USERS)
    for part in ("train", "valid"):
        assert set(pq.read_table(reads[part])["user"].to_pylist()) == set(range(shape.users))
    files = [path for path in (model, reads["vocabulary"], reads["train"], reads["valid"]) for path in [path, *path.rglob("*")]]
    for path in (path for path in files if path.is_file()):
        for stranger in strangers.ids:
            assert stranger.encode() not in path.read_bytes(), path
    assert all(len(weight) != len(USERS) for weight in load_file(model / "weights.safetensors").values() if weight.dim())
    stage.run(job)
    told = json.loads((job.out(f"evaluation/{name}") / "strangers.json").read_text())
    assert (told["strangers"], told["left_out"], told["support"]) == (6, 0, 3)
    frame = pd.read_parquet(job.out(f"evaluation/{name}") / "per_stranger.parquet")
    assert frame.groupby("shots").size().to_dict() == {0: 6, 1: 6, 3: 6}
    assert set(frame["user_id"]) == set(strangers.ids)
    assert set(frame["held_out"]) == {5}
    assert told["shots"]["3"]["ndcg@5"] == pytest.approx(frame[frame["shots"] == 3]["ndcg@5"].mean())


def test_without_strangers_or_with_too_few_items_shots_are_refused(tmp_path: Path) -> None:
    for use, rules, message in (
        ("leave_last_out", RULES, "evaluation.shots: the test part tells of no strangers"),
        ("user_cold", RULES.model_copy(update={"shots": (8,)}), "evaluation.shots: 8 are more than any stranger has"),
    ):
        folder = tmp_path / use
        folder.mkdir()
        reads = prepared(folder, use)
        _, stage, job = trained("meta-mf", folder, reads)
        with pytest.raises(Refused, match=message):
            EvaluateStage(stage.experiment, stage.recipe, rules, CPU, 1).run(job)


def test_negative_shots_are_refused() -> None:
    with pytest.raises(ValueError, match="shots"):
        Evaluation(shots=(-1,))


def planted(*, reader: bool) -> Bundle:
    """Whoever met item i likes i + 1, among ten items; item 9 is the most popular, then 8."""
    known = Interactions(
        Shape(1, 10), torch.zeros(3, dtype=torch.int64), torch.tensor([9, 9, 8]), torch.zeros(3, dtype=torch.int64)
    )
    rule = ByRule(Fold(torch.eye(10).roll(1, 1), 0.0)) if reader else None
    names = pd.DataFrame({"item_id": [f"i{item}" for item in range(10)]})
    vectors = {"users": torch.zeros(1, 10), "items": torch.eye(10)}
    return assemble(pd.DataFrame({"user_id": ["known"]}), names, vectors, known, {}, rule)


def strangers() -> tuple[list[str], Strangers]:
    """One met 0, 2, 4, then 5 and 9; another 6, something unknown, 1, then 2 and 7; a third has no more than the support."""
    rows = [(0, 0), (0, 2), (0, 4), (0, 5), (0, 9), (1, 6), (1, 10), (1, 1), (1, 2), (1, 7), (2, 3), (2, 3), (2, 3)]
    users, items = (torch.tensor([row[side] for row in rows]) for side in (0, 1))
    ids = ["one", "other", "third"]
    return ids[:2], Strangers(tuple(ids), Interactions(Shape(3, 10), users, items, torch.arange(len(rows))))


@pytest.mark.parametrize(
    ("shots", "hits"),
    [
        (0, [0.5, 0.0]),  # the popular 9, 8
        (1, [0.5, 0.5]),  # 4 -> 5; 1 -> 2; then the smallest numbers that were not met
        (2, [0.5, 1.0]),  # 2, 4 -> 3, 5; 6, 1 -> 7, 2: what the catalogue does not know is no shot
        (3, [0.5, 1.0]),  # 0, 2, 4 -> 1, 3, 5; 6, 1 -> 2, 7
    ],
)
def test_the_newest_of_the_support_are_told_and_what_follows_isasked_of(shots: int, hits: list[float]) -> None:
    ids, people = strangers()
    known = Interactions(Shape(1, 10), *(torch.zeros(0, dtype=torch.int64),) * 3)
    rows, held_out = asked_of(people, 3, known, exclude_seen=True)
    assert rows.tolist() == [0, 1]
    assert held_out.truth.values.tolist() == [5, 9, 2, 7]
    assert held_out.history.values.tolist() == [0, 2, 4, 6, 1]
    depth = 3 if shots == 3 else 2
    metrics = build_metrics(Evaluation(metrics=("recall",), ks=(depth,)))
    values = ask(planted(reader=True), ids, held_out, shots, metrics, 2**24, "planted")
    assert values[f"recall@{depth}"].tolist() == hits


def test_a_model_that_reads_no_histories_gives_strangers_what_is_popular() -> None:
    ids, people = strangers()
    known = Interactions(Shape(1, 10), *(torch.zeros(0, dtype=torch.int64),) * 3)
    _, held_out = asked_of(people, 3, known, exclude_seen=True)
    metrics = build_metrics(Evaluation(metrics=("recall",), ks=(2,)))
    values = [ask(planted(reader=False), ids, held_out, shots, metrics, 2**24, "planted")["recall@2"] for shots in (0, 3)]
    assert np.array_equal(values[0], values[1])
    assert values[0].tolist() == [0.5, 0.0]
