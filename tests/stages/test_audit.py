"""The audit of whole prepared logs: honest splits pass, and a leak planted in the artifacts is found, written and logged."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from recsys_cl.core.files import write_json
from recsys_cl.core.protocols import Job
from recsys_cl.core.settings import Component
from recsys_cl.ingest.prepare import KCore, Prepare
from recsys_cl.stages.audit import AuditStage, summary
from recsys_cl.stages.prepare import PrepareStage

DAY = 86_400 * 10**6


@pytest.fixture(scope="module")
def logs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("logs")
    rows = [
        (f"u{n % 23}", f"i{(n * n) % 31}", pd.Timestamp("2024-01-01", tz="UTC") + pd.Timedelta(hours=n)) for n in range(600)
    ]
    frame = pd.DataFrame(rows, columns=["user_id", "item_id", "timestamp"])
    frame["timestamp"] = frame["timestamp"].astype("datetime64[us, UTC]")
    frame.to_parquet(folder / "interactions")
    pd.DataFrame({"item_id": [f"i{n}" for n in range(31)], "title": [f"T{n // 2}" for n in range(31)]}).to_parquet(
        folder / "items"
    )
    write_json(folder / "drift", {"verdict": "ok", "against": None, "checks": []})
    pd.DataFrame({"user_id": ["u1"]}).to_parquet(folder / "users")
    return {name: folder / name for name in ("interactions", "items", "users", "drift")}


def prepared(logs: dict[str, Path], scratch: Path, prepare: Prepare) -> Job:
    """What the audit of this data set would be given, with one honest model."""
    made = Job(logs, scratch / "prepare", "f")
    made.scratch.mkdir(parents=True)
    stage = PrepareStage(prepare)
    stage.run(made)
    reads = {name: made.out(name) for name in stage.writes}
    shape = json.loads((reads["vocabulary"] / "shape.json").read_text())
    write_json(scratch / "model" / "summary.json", {"shape": shape})
    (scratch / "audit").mkdir()
    return Job({**reads, "model/sgl": scratch / "model"}, scratch / "audit", "f")


def audited(job: Job, prepare: Prepare) -> dict[str, tuple[str, int]]:
    AuditStage(prepare, ("sgl",)).run(job)
    checks = json.loads(job.out("audit").read_text())["checks"]
    assert all(set(check) == {"name", "verdict", "count", "what", "examples"} for check in checks)
    return {check["name"]: (check["verdict"], check["count"]) for check in checks}


TIME = Prepare(split=Component(use="time"), kcore=KCore(users=2, items=2))


@pytest.mark.parametrize(
    ("prepare", "order"),
    [
        (TIME, "ok"),
        (Prepare(split=Component(use="leave_last_out")), "warning"),
        (Prepare(split=Component(use="ratio", random=True), kcore=KCore(users=3, items=3)), "warning"),
    ],
)
def test_an_honest_data_set_has_no_leak(logs: dict[str, Path], tmp_path: Path, prepare: Prepare, order: str) -> None:
    found = audited(prepared(logs, tmp_path, prepare), prepare)
    assert found.pop("time_order")[0] == order
    assert found.pop("duplicate_titles")[0] == "warning"
    assert set(found.values()) == {("ok", 0)}


def test_a_test_row_in_train_is_found_and_logged(
    logs: dict[str, Path], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    job = prepared(logs, tmp_path, TIME)
    train, test = pd.read_parquet(job.reads["train"]), pd.read_parquet(job.reads["test"])
    warm = test[(test["user"] < train["user"].max()) & (test["item"] < train["item"].max())]
    pd.concat([train, warm.head(1)]).to_parquet(job.reads["train"])
    found = audited(job, TIME)
    assert {name for name, (verdict, _) in found.items() if verdict == "leak"} == {"overlap", "time_order", "popularity"}
    assert (found["overlap"], found["time_order"]) == (("leak", 1), ("leak", 1))
    assert "leak: 1 interactions (user, item, time) that are in two parts (user u" in caplog.text
    assert json.loads(job.out("audit").read_text())["verdict"] == "leak"


def test_a_vocabulary_of_the_whole_log_and_a_model_made_for_it_are_found(logs: dict[str, Path], tmp_path: Path) -> None:
    job = prepared(logs, tmp_path, TIME)
    train = pd.read_parquet(job.reads["train"])
    train[train["item"] != 0].to_parquet(job.reads["train"])
    write_json(job.reads["model/sgl"] / "summary.json", {"shape": {"users": 23, "items": 99}})
    found = audited(job, TIME)
    assert found["test_only_ids"] == ("leak", 1)
    assert found["model_vocabulary"] == ("leak", 1)


def test_a_core_of_the_whole_log_is_found(logs: dict[str, Path], tmp_path: Path) -> None:
    job = prepared(logs, tmp_path, TIME)
    verdict, count = audited(job, Prepare(split=TIME.split, kcore=KCore(users=25, items=2)))["core"]
    assert verdict == "leak"
    assert count > 0


def test_what_it_reads_and_how_it_is_told() -> None:
    stage = AuditStage(TIME, ("sgl",))
    assert stage.reads == ("train", "valid", "test", "vocabulary", "data_report", "model/sgl")
    assert set(json.loads(json.dumps(stage.settings))) == {"split", "kcore", "cold_items", "experiments"}
    checks = [{"name": "overlap", "verdict": "leak", "count": 3}, {"name": "core", "verdict": "ok", "count": 0}]
    assert summary({"verdict": "leak", "checks": checks}) == "leak (overlap: 3)"
    assert summary({"verdict": "ok", "checks": checks[1:]}) == "ok (1 checks)"
