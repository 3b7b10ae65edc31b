"""What a user table says of people: learned of those in train, told of strangers beside the test part, and read by a recipe."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
import torch

from recsys_cl.config import load_recipe
from recsys_cl.core.errors import Refused
from recsys_cl.core.protocols import Job
from recsys_cl.core.runtime import Runtime
from recsys_cl.core.settings import Component
from recsys_cl.evaluation.settings import Evaluation, build_metrics
from recsys_cl.ingest.dataset import load_features, load_shape, load_users
from recsys_cl.ingest.prepare import Prepare
from recsys_cl.ingest.strangers import load_strangers
from recsys_cl.stages.bundle import known_before_test, make_bundle
from recsys_cl.stages.evaluate import EvaluateStage
from recsys_cl.stages.prepare import PrepareStage
from recsys_cl.stages.strangers import ask, asked_of
from recsys_cl.stages.train import TrainStage
from tests.ingest.coded import write_log

USERS = [f"user{number:03}" for number in range(40)]
SIDE = {user: number % 2 for number, user in enumerate(USERS)}
ROWS = [  # everybody begins with item 0; then those of side 0 like items 1 to 10, the others 11 to 20
    (user, f"i{0 if not step else 1 + 10 * SIDE[user] + (3 * step + number) % 10}", 100 * step + number)
    for number, user in enumerate(USERS)
    for step in range(8)
]
RULES = Evaluation(metrics=("recall",), ks=(10,), shots=(1,))
CPU = Runtime(device="cpu")
FEATURES = {"kind": Component(use="category")}


def prepared(folder: Path, listed: Collection[str] = USERS, **declared: Component) -> dict[str, Path]:
    """The artifacts of a world in which the first item says nothing of a taste, and the user table tells it of the ``listed``."""
    items = {"item_id": [f"i{number}" for number in range(21)], "kind": ["a", "b", "c"] * 7}
    users = {"user_id": USERS, "side": [f"side{SIDE[user]}" for user in USERS], "age": [20.0 + SIDE[user] for user in USERS]}
    pq.write_table(pa.table(items), folder / "items.parquet")
    rows = pa.table(users)
    pq.write_table(rows.filter(pc.is_in(rows["user_id"], pa.array(listed))), folder / "users.parquet")
    (folder / "drift").write_text("{}")
    log = write_log(folder / "log.parquet", ROWS)
    reads = {name: folder / f"{name}.parquet" for name in ("items", "users")}
    job = Job({"interactions": log, **reads, "drift": folder / "drift"}, folder / "prepare", "")
    job.scratch.mkdir()
    PrepareStage(Prepare(split=Component(use="user_cold"), features=FEATURES, user_features=declared)).run(job)
    return {name: job.out(name) for name in ("train", "valid", "test", "vocabulary")}


def test_statistics_are_those_of_train_and_strangers_are_told_beside_the_test_part(tmp_path: Path) -> None:
    reads = prepared(tmp_path, side=Component(use="category"), age=Component(use="number"))
    shape = load_shape(reads["vocabulary"])
    found, strangers = load_features(reads["vocabulary"], shape), load_strangers(reads["test"], shape)
    assert found is not None
    assert found.people is not None
    assert strangers is not None
    assert strangers.about is not None
    names = load_users(reads["vocabulary"])["user_id"].tolist()
    for who, told in ((names, found.people), (strangers.ids, strangers.about)):
        assert [name for name, _ in told] == ["age", "side"]
        assert told.modalities["side"].values.argmax(1).tolist() == [SIDE[user] for user in who] or (
            told.modalities["side"].values.argmin(1).tolist() == [SIDE[user] for user in who]
        )
    ages = found.people.modalities["age"].values
    assert ages.mean().item() == pytest.approx(0, abs=1e-6)
    assert len(ages) == len(names) == shape.users


def test_strangers_of_whom_nothing_is_told_are_strangers_still(tmp_path: Path) -> None:
    kinds = {"side": Component(use="category"), "age": Component(use="number")}
    (tmp_path / "before").mkdir()
    reads = prepared(tmp_path / "before", **kinds)
    known = load_users(reads["vocabulary"])["user_id"].tolist()
    reads = prepared(tmp_path, known, **kinds)
    strangers = load_strangers(reads["test"], load_shape(reads["vocabulary"]))
    assert strangers is not None
    assert strangers.about is not None
    assert {name: tuple(each.values.shape) for name, each in strangers.about} == {"age": (8, 1), "side": (8, 2)}
    for _, each in strangers.about:
        assert not each.present.any()
        assert not each.values.any()


@pytest.mark.slow
def test_a_stranger_of_whom_one_item_says_nothing_is_known_by_their_features(tmp_path: Path) -> None:
    reads = prepared(tmp_path, side=Component(use="category"))
    plan = {"epochs": 30, "select": "recall@10", "learning_rate": 0.03, "evaluate_every": 30}
    recipe = load_recipe("meta-content", {"encoder": {"dim": 8}, "source": {"support": 3}, "training": plan})
    train = Job(reads, tmp_path / "train", "")
    train.scratch.mkdir()
    TrainStage("meta-content", recipe, RULES, CPU, 1).run(train)
    reads["model/meta-content"] = train.out("model/meta-content")
    job = Job(reads, tmp_path / "evaluate", "")
    job.scratch.mkdir()
    EvaluateStage("meta-content", recipe, RULES, CPU, 1).run(job)
    reads["evaluation/meta-content"] = job.out("evaluation/meta-content")
    bundle, known = make_bundle("meta-content", reads), known_before_test(reads)
    strangers = load_strangers(reads["test"], known.shape)
    assert strangers is not None
    assert strangers.about is not None
    rows, held_out = asked_of(strangers, 1, known, exclude_seen=True)
    ids, metrics = [strangers.ids[row] for row in rows.tolist()], build_metrics(RULES)
    told = ask(bundle, ids, held_out, 1, metrics, 2**24, "few", strangers.about.take(rows))["recall@10"]
    untold = ask(bundle, ids, held_out, 1, metrics, 2**24, "few")["recall@10"]
    assert told.mean() > 0.95
    assert untold.mean() < 0.8


@pytest.mark.parametrize(
    ("declared", "message"),
    [
        (
            {"zzz": Component(use="number")},
            r"prepare\.user_features\.zzz: the user table has no column 'zzz'; valid: .*user_id",
        ),
        ({"side": Component(use="number")}, r"prepare\.user_features\.side: column 'side' is no column of numbers"),
    ],
)
def test_what_makes_no_sense_is_refused_by_the_users_own_key(
    declared: dict[str, Component], message: str, tmp_path: Path
) -> None:
    with pytest.raises(Refused, match=message):
        prepared(tmp_path, **declared)


def test_features_of_users_need_content_of_items() -> None:
    with pytest.raises(Refused, match=r"prepare\.user_features: read beside the items' content"):
        Prepare(user_features={"side": Component(use="category")})


def test_nobodys_features_are_in_the_weights(tmp_path: Path) -> None:
    reads = prepared(tmp_path, side=Component(use="category"))
    found = load_features(reads["vocabulary"], load_shape(reads["vocabulary"]))
    assert found is not None
    assert found.people is not None
    moved = dataclasses.replace(found, people=None)
    assert moved.take(torch.arange(2)).people is None
    assert found.take(torch.arange(2)).people is found.people, "rows of items say nothing of who the users are"
