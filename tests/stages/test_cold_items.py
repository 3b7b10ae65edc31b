"""Items that nobody met come into the vocabulary by their content, behind those of train, and held-out ids fall on them."""

from __future__ import annotations

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from recsys_cl.core.errors import Refused
from recsys_cl.core.protocols import Job
from recsys_cl.core.settings import Component
from recsys_cl.ingest.dataset import load_features, load_interactions, load_items, load_shape
from recsys_cl.ingest.prepare import Prepare
from recsys_cl.stages.prepare import PrepareStage
from tests.ingest.coded import write_log

ROWS = [(f"u{second % 7}", f"i{second % 9}", second) for second in range(60)]
ROWS += [("u1", "new", 64), ("u4", "i6", 65), ("u3", "bare", 66), ("u4", "new", 67), ("u5", "alien", 68), ("u5", "i7", 69)]
ITEMS = pa.table(
    {
        "item_id": ["unmet", "bare", "new", *(f"i{number}" for number in range(9))],
        "image": pa.array(
            [[9.0, 9.0], None, [5.0, 1.0], *([float(number), 2.0] for number in range(9))], pa.list_(pa.float32())
        ),
    }
)
SPLIT = Component.model_validate({"use": "time", "valid": "1970-01-01T00:01:04", "test": "1970-01-01T00:01:06"})


def prepared(folder, items=ITEMS, rows=ROWS, **settings):
    folder.mkdir()
    pq.write_table(items, folder / "items.parquet")
    pq.write_table(pa.table({"user_id": ["u1"]}), folder / "users.parquet")
    (folder / "drift").write_text("{}")
    log = write_log(folder / "log.parquet", rows)
    reads = {name: folder / f"{name}.parquet" for name in ("items", "users")}
    job = Job({"interactions": log, **reads, "drift": folder / "drift"}, folder / "out", "")
    job.scratch.mkdir()
    features = {"image": Component(use="vector")}
    PrepareStage(Prepare(split=SPLIT, features=features, **settings)).run(job)
    return job


def test_items_with_content_follow_those_of_train_and_held_out_ids_fall_on_them(tmp_path) -> None:
    job = prepared(tmp_path / "a", cold_items="features")
    shape = load_shape(job.out("vocabulary"))
    ids = load_items(job.out("vocabulary"))["item_id"].tolist()
    assert ids == [*(f"i{number}" for number in range(9)), "new", "unmet"]
    assert shape.items == 11
    assert load_interactions(job.out("train"), shape).items.max() < 9
    assert [ids[item] for item in load_interactions(job.out("valid"), shape).items.tolist()] == ["new", "i6"]
    test = load_interactions(job.out("test"), shape).items.tolist()
    assert test == [11, 9, 11, 7], "neither 'bare', which has no content, nor 'alien', which no table knows"
    report = json.loads(job.out("data_report").read_text())
    assert (report["unmet_items"], report["parts"]["valid"]["of_cold_items"], report["parts"]["test"]["of_cold_items"]) == (
        2,
        1,
        3,
    )


def test_statistics_are_those_of_train_alone(tmp_path) -> None:
    job, plain = prepared(tmp_path / "a", cold_items="features"), prepared(tmp_path / "b")
    found = load_features(job.out("vocabulary"), load_shape(job.out("vocabulary"))).modalities["image"].values
    alone = load_features(plain.out("vocabulary"), load_shape(plain.out("vocabulary"))).modalities["image"].values
    assert (found[:9] == alone).all()
    assert found[10, 0] > found[:9, 0].max()
    wild = ITEMS.set_column(1, "image", pa.array([[1e6, 0.0], *ITEMS["image"].to_pylist()[1:]], pa.list_(pa.float32())))
    again = prepared(tmp_path / "c", wild, cold_items="features")
    other = load_features(again.out("vocabulary"), load_shape(again.out("vocabulary"))).modalities["image"].values
    assert (other[:10] == found[:10]).all()


def test_what_is_logged_after_the_split_changes_neither_vocabulary_nor_content(tmp_path) -> None:
    later = [(user, "unmet" if item == "new" else item, time) for user, item, time in ROWS]
    one, other = prepared(tmp_path / "a", cold_items="features"), prepared(tmp_path / "b", rows=later, cold_items="features")
    for name in ("items.parquet", "features.parquet", "learned.parquet", "shape.json"):
        assert (one.out("vocabulary") / name).read_bytes() == (other.out("vocabulary") / name).read_bytes()
    assert one.out("train").read_bytes() == other.out("train").read_bytes()


def test_without_the_setting_they_are_misses(tmp_path) -> None:
    job = prepared(tmp_path / "a")
    shape = load_shape(job.out("vocabulary"))
    assert shape.items == 9
    assert load_interactions(job.out("valid"), shape).items.tolist() == [9, 6]


def test_content_that_is_not_declared_lets_nobody_in() -> None:
    with pytest.raises(Refused, match=r"prepare\.cold_items.*\[prepare\.features\]"):
        Prepare(cold_items="features")
