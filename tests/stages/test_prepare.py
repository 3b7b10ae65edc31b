"""The prepare stage: what lies after the split cannot reach train, items keep what is known of them, bytes repeat."""

from __future__ import annotations

import json
import random

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from recsys_cl.core.files import digest_file
from recsys_cl.core.protocols import Job
from recsys_cl.core.settings import Component
from recsys_cl.ingest.dataset import load_interactions, load_items, load_shape, load_users
from recsys_cl.ingest.prepare import KCore, Prepare
from recsys_cl.stages.prepare import PrepareStage
from tests.ingest.coded import write_log

CHANCE = random.Random(11)
LOG = [(f"u{int(CHANCE.paretovariate(0.6)) % 40}", f"i{int(CHANCE.paretovariate(0.5)) % 60}", second) for second in range(600)]
SHARES = Component(use="time")
TIMES = Component.model_validate({"use": "time", "valid": "1970-01-01T00:08:00", "test": "1970-01-01T00:09:00"})
ITEMS = pa.table({"item_id": ["i1", "i5", "nobody"], "title": ["One", None, "None"], "image": [[1, 2], [3, 4], [5, 6]]})
USERS = pa.table({"user_id": ["nobody", "u2", "u1"], "country": ["AT", "FR", None]})


def prepared(folder, rows=LOG, settings=None, **optional):
    folder.mkdir()
    items = folder / "items.parquet"
    pq.write_table(ITEMS, items)
    users = folder / "users.parquet"
    pq.write_table(USERS, users)
    drift = folder / "drift"
    drift.write_text('{"verdict": "warning", "against": 3, "checks": []}')
    log = write_log(folder / "log.parquet", rows, **optional)
    reads = {"interactions": log, "items": items, "users": users, "drift": drift}
    job = Job(reads, folder / "out", "")
    job.scratch.mkdir()
    PrepareStage(settings or Prepare(kcore=KCore(users=2, items=2))).run(job)
    return job


def digests(job, *names):
    paths = [path for name in names for path in sorted([job.out(name), *job.out(name).rglob("*")]) if path.is_file()]
    return {path.name: digest_file(path) for path in paths}


def test_it_writes_what_it_says_and_nothing_else(tmp_path):
    job = prepared(tmp_path / "a")
    assert {path.name for path in job.out("train").parent.iterdir()} == set(PrepareStage.writes)
    assert {path.name for path in job.scratch.iterdir()} <= {"out"}


@pytest.mark.parametrize("split", [SHARES, TIMES], ids=["shares", "times"])
@pytest.mark.parametrize("repeats", ["first", "keep"])
def test_what_lies_after_the_split_cannot_reach_train(tmp_path, split, repeats):
    chance = random.Random(3)
    rewritten = [row if row[2] < 480 else (f"u{chance.randrange(80)}", f"i{chance.randrange(90)}", row[2]) for row in LOG]
    assert {row[0] for row in rewritten} > {row[0] for row in LOG}  # users and items nobody had seen
    settings = Prepare(split=split, repeats=repeats, kcore=KCore(users=2, items=2))
    kept, changed = (prepared(tmp_path / name, rows, settings) for name, rows in (("a", LOG), ("b", rewritten)))
    assert digests(kept, "train", "vocabulary") == digests(changed, "train", "vocabulary")
    assert digests(kept, "test") != digests(changed, "test")


def test_what_lies_after_the_split_cannot_reach_train_by_its_rating(tmp_path):
    settings = Prepare(min_rating=3.0)
    ratings = [float(CHANCE.randrange(1, 6)) for _ in LOG]
    rewritten = [rating if second < 480 else 5.0 for second, rating in enumerate(ratings)]
    kept, changed = (prepared(tmp_path / name, LOG, settings, rating=r) for name, r in (("a", ratings), ("b", rewritten)))
    assert digests(kept, "train", "vocabulary") == digests(changed, "train", "vocabulary")
    assert digests(kept, "valid") != digests(changed, "valid")


def test_the_same_log_gives_the_same_bytes_on_any_number_of_threads(tmp_path):
    first, second = (prepared(tmp_path / str(threads), settings=Prepare(threads=threads)) for threads in (1, 2))
    assert digests(first, *PrepareStage.writes) == digests(second, *PrepareStage.writes)
    assert PrepareStage(Prepare(threads=1)).settings == PrepareStage(Prepare(threads=2, memory_limit="1GB")).settings


def test_the_loaders_read_what_was_written(tmp_path):
    job = prepared(tmp_path / "a", settings=Prepare(repeats="keep"))
    shape = load_shape(job.out("vocabulary"))
    users, items = load_users(job.out("vocabulary")), load_items(job.out("vocabulary"))
    assert (len(users), len(items)) == (shape.users, shape.items)
    train, test = (load_interactions(job.out(part), shape) for part in ("train", "test"))
    names = zip(users.user_id.to_numpy()[train.users], items.item_id.to_numpy()[train.items], train.times, strict=True)
    assert [(user, item, int(time) // 1_000_000) for user, item, time in names] == LOG[:480]
    assert len(test) == sum(row[0] in set(users.user_id) for row in LOG[540:])
    assert int(test.items.max()) <= shape.items


def test_items_keep_what_is_known_of_them(tmp_path):
    items = load_items(prepared(tmp_path / "a").out("vocabulary")).set_index("item_id")
    assert items.loc["i1", "title"] == "One"
    assert items.loc["i5", "image"].tolist() == [3, 4]
    assert items.loc["i2", ["title", "image"]].isna().all()
    assert "nobody" not in items.index


def test_users_keep_what_is_known_of_them(tmp_path):
    users = load_users(prepared(tmp_path / "a").out("vocabulary")).set_index("user_id")
    assert users.loc["u2", "country"] == "FR"
    assert users.loc[["u1", "u3"], "country"].isna().all()
    assert "nobody" not in users.index


def test_the_report_counts_what_a_loop_counts(tmp_path):
    job = prepared(tmp_path / "a")
    report = json.loads(job.out("data_report").read_text())
    assert report["drift"] == {"verdict": "warning", "against": 3, "checks": []}, "promotion reads it here"
    tables = {name: pq.read_table(job.out(name)).to_pylist() for name in ("train", "valid", "test")}
    users, items = report["users"], report["items"]
    for name, rows in tables.items():
        facts = report["parts"][name]
        assert facts["interactions"] == len(rows)
        assert facts["users"] == len({row["user"] for row in rows if row["user"] < users})
        assert facts["items"] == len({row["item"] for row in rows if row["item"] < items})
        assert facts["of_cold_users"] == sum(row["user"] == users for row in rows)
        assert facts["of_cold_items"] == sum(row["item"] == items for row in rows)
        assert facts["cold"] == sum(row["user"] == users or row["item"] == items for row in rows)
        assert sum(period[name] for period in report["periods"]) == len(rows)
    rows = report["rows"]
    assert rows["logged"] == rows["repeats"] + rows["outside_core"] + rows["train"] + rows["valid"] + rows["test"]
    assert len(report["periods"]) <= 60
    counts = [sum(row["item"] == item for row in tables["train"]) for item in range(items)]
    assert report["item_popularity"]["percentiles"]["100"] == max(counts)
    assert sum(bar["count"] for bar in report["item_popularity"]["histogram"]) == items
    assert report["density"] == len(tables["train"]) / (users * items)


def test_the_report_counts_ties(tmp_path):
    rows = [("a", "x", 0), ("a", "y", 0), ("b", "x", 0), ("a", "z", 0), ("b", "y", 1), ("b", "z", 1), ("a", "w", 2)]
    job = prepared(tmp_path / "a", rows, Prepare(split=Component(use="leave_last_out")))
    tied = json.loads(job.out("data_report").read_text())["tied_times"]
    assert tied == 1  # inside parts: a's y at the time of x, both in train


def test_the_report_counts_held_out_targets_that_only_the_order_of_the_log_decides(tmp_path):
    """By hand: a's last two are of one instant, b's last two too but each alone in its part, c's and d's never meet."""
    days = {"a": [0, 1, 5, 5], "b": [0, 2, 5, 5, 5], "c": [0, 3, 4, 5], "d": [5, 5, 6, 7]}
    rows = sorted(((user, f"i{at}", day) for user, row in days.items() for at, day in enumerate(row)), key=lambda row: row[2])
    job = prepared(tmp_path / "a", rows, Prepare(split=Component(use="leave_last_out")))
    report = json.loads(job.out("data_report").read_text())
    assert {name: facts["tied"] for name, facts in report["parts"].items()} == {"train": 3, "valid": 2, "test": 2}


def test_of_one_instant_the_later_row_of_the_log_is_the_target(tmp_path):
    rows = [("a", item, 0) for item in ("x", "y", "z", "w")] + [("b", item, 0) for item in ("w", "z", "y", "x")]
    job = prepared(tmp_path / "a", rows, Prepare(split=Component(use="leave_last_out")))
    parts = json.loads(job.out("data_report").read_text())["parts"]
    assert {name: facts["tied"] for name, facts in parts.items()} == {"train": 4, "valid": 2, "test": 2}
    told = {name: pq.read_table(job.out(name)).to_pylist() for name in ("train", "valid", "test")}
    assert [len(told[name]) for name in ("train", "valid", "test")] == [4, 2, 2]
    names = load_items(job.out("vocabulary")).item_id.to_list()
    train = [(row["user"], names[row["item"]]) for row in told["train"]]
    assert train == [(0, "x"), (0, "y"), (1, "w"), (1, "z")]
    shape = load_shape(job.out("vocabulary"))
    held = {
        name: [names[row["item"]] if row["item"] < shape.items else None for row in told[name]] for name in ("valid", "test")
    }
    assert held == {"valid": ["z", "y"], "test": ["w", "x"]}
