"""The whole job on small made-up logs: once through, then nothing, then only what a change touches."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pandas as pd
import pytest

from recsys_cl.core.errors import Refused
from recsys_cl.stages.pipeline import Result, explain_pipeline, run_pipeline

PIPELINE = """
name = "small"

[ingest.source]
use = "synthetic"
users = 200
items = 100
events = 6000

[prepare]
split = { use = "time" }

[[experiments]]
recipe = "xsimgcl"
set.objectives.contrast.weight = 0.02

[[experiments]]
recipe = "sasrec-softmax"
set.sampler.negatives = 32

[override.training]
epochs = 2
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pipeline")
    (folder / "small.toml").write_text(PIPELINE)
    return folder


def run(home: Path, *changes: str, until: str | None = None) -> Result:
    uri = f"sqlite:///{home}/mlruns/mlflow.db"
    return run_pipeline(home / "small.toml", changes, home / "data", uri, lambda *_: None, until=until)


@pytest.fixture(scope="module")
def result(home: Path) -> Result:
    return run(home)


def statuses(result: Result) -> dict[str, str]:
    return {name: status for name, status, _ in result.stages}


def test_every_stage_runs_once_in_order(result: Result) -> None:
    names = ["popular", "recent-popular", "xsimgcl", "sasrec-softmax"]
    expected = [
        "ingest",
        "prepare",
        *(f"train/{n}" for n in names),
        "audit",
        *(f"evaluate/{n}" for n in names),
        "report",
        "register",
    ]
    assert list(statuses(result)) == expected
    assert set(statuses(result).values()) == {"done"}


def test_the_answer_for_machines_is_complete_json(result: Result) -> None:
    answer = json.loads(json.dumps(result.as_json(), allow_nan=False))
    assert set(answer) == {"pipeline", "stages", "experiments", "test_openings", "audit", "report", "model", "promotion"}
    assert answer["test_openings"] == len(answer["experiments"])
    assert {"recall@20", "ndcg@10", "coverage@20"} <= set(answer["experiments"][2]["test"])
    assert all(row["run_id"] for row in answer["experiments"])
    assert answer["model"]["name"] == "small"
    assert answer["model"]["aliases"] == ["challenger", "champion"]
    assert answer["model"]["recipe"] in {"xsimgcl", "sasrec-softmax"}, "what is registered has learnt something"


def test_the_audit_finds_no_leak_and_is_told(home: Path, result: Result) -> None:
    assert result.audit is not None
    assert {check["verdict"] for check in result.audit["checks"]} <= {"ok", "warning"}
    assert any(line.startswith(f"audit   {result.audit['verdict']} (") for line in result.places())
    assert result.as_json()["audit"] == result.audit["verdict"]


def test_the_report_is_there_and_says_what_was_measured(result: Result) -> None:
    assert result.report is not None
    page = result.report.read_text("utf-8")
    assert "xsimgcl" in page
    assert f"{result.experiments[2].test['ndcg@20']:.4f}" in page


def test_the_champion_answers_for_known_and_unknown_users(home: Path, result: Result, monkeypatch: pytest.MonkeyPatch) -> None:
    import mlflow

    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{home}/mlruns/mlflow.db")
    model = mlflow.pyfunc.load_model("models:/small@champion")
    known = pd.read_parquet(next((home / "data" / "small" / "prepare").glob("*/vocabulary/users.parquet")))["user_id"][0]
    frame = model.predict(pd.DataFrame({"user_id": [known, "nobody"]}), params={"k": 3})
    assert list(frame.columns[:4]) == ["user_id", "rank", "item_id", "score"]
    assert frame["rank"].tolist() == [1, 2, 3, 1, 2, 3]
    assert frame["source"].tolist() == ["personal"] * 3 + ["popular"] * 3


def test_again_nothing_runs_and_the_answer_is_the_same(home: Path, result: Result) -> None:
    again = run(home)
    assert set(statuses(again).values()) == {"skipped"}
    assert again.as_json()["experiments"] == result.as_json()["experiments"]
    assert again.as_json()["model"] == result.as_json()["model"]


def test_a_changed_recipe_reruns_its_own_stages_only(home: Path, result: Result) -> None:
    changed = statuses(run(home, "override.training.epochs=1", until="evaluate"))
    assert {name for name, status in changed.items() if status == "done"} == {
        *(f"{stage}/{name}" for stage in ("train", "evaluate") for name in ("xsimgcl", "sasrec-softmax")),
        "audit",  # it looks at every model
    }


def test_a_model_that_was_lost_is_trained_to_the_same_bytes_and_nothing_else_runs(home: Path, result: Result) -> None:
    for folder in (home / "data" / "small").glob("train-*"):
        shutil.rmtree(folder)
    again = statuses(run(home))
    assert {name for name, status in again.items() if status == "done"} == {name for name in again if name.startswith("train/")}


def test_a_deleted_store_is_told_everything_again_without_training(home: Path, result: Result) -> None:
    elsewhere = f"sqlite:///{home}/elsewhere/mlflow.db"
    again = run_pipeline(home / "small.toml", (), home / "data", elsewhere, lambda *_: None)
    assert {name for name, status in statuses(again).items() if status == "done"} == {"register"}
    import mlflow

    client = mlflow.MlflowClient(elsewhere)
    line = again.experiments[2]
    logged = client.get_run(str(line.run_id)).data.metrics
    assert logged["test/recall_at_20"] == pytest.approx(line.test["recall@20"])
    assert client.get_model_version_by_alias("small", "champion").version in (1, "1")


def test_train_is_never_shown_the_test_part(home: Path) -> None:
    from recsys_cl.config import load_pipeline
    from recsys_cl.stages.pipeline import stages_of
    from recsys_cl.stages.tracking import Tracking

    stages = stages_of(load_pipeline(home / "small.toml"), Tracking("small", home))
    readers = {stage.name.split("/")[0] for stage in stages if "test" in stage.reads}
    assert readers == {"audit", "evaluate"}


def test_an_unknown_stage_names_the_nearest(home: Path) -> None:
    with pytest.raises(Refused, match=r"no stage 'evaluat'; did you mean 'evaluate'"):
        run(home, until="evaluat")


def test_what_is_explained_is_what_would_be_run(home: Path) -> None:
    def told(**asked: str) -> list[str]:
        return [reason.stage for reason in explain_pipeline(home / "small.toml", (), home / "nothing", None, **asked)]

    assert told(until="prepare") == ["ingest", "prepare"]
    assert told(only="train/xsimgcl") == ["ingest", "prepare", "train/xsimgcl"]
    assert told()[-1] == "register"
    for asked in ({"until": "trian"}, {"only": "train"}, {"until": "train", "only": "ingest"}):
        with pytest.raises(Refused, match=r"no stage|does not go"):
            told(**asked)


@pytest.mark.slow
def test_a_log_of_one_user_becomes_a_model(tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text("user_id,item_id,timestamp\n" + "".join(f"u,i{n},{n}\n" for n in range(1, 6)))
    text = f'name = "one"\n[ingest.source]\nuse = "csv"\npath = "{tmp_path}/log.csv"\n'
    text += '[prepare]\nsplit = {use = "leave_last_out"}\n[[experiments]]\nrecipe = "popular"\n'
    (tmp_path / "one.toml").write_text(text)
    result = run_pipeline(tmp_path / "one.toml", (), tmp_path / "data", f"sqlite:///{tmp_path}/mlflow.db", lambda *_: None)
    assert result.as_json()["experiments"]


def test_what_others_did_in_the_registry_is_no_longer_what_a_receipt_says(home: Path, result: Result) -> None:
    """Last of all: versions come and go."""
    from recsys_cl.stages.promote import promote_model, rollback_model
    from recsys_cl.tracking.settings import Promotion
    from recsys_cl.tracking.store import open_known

    def told(*changes: str) -> tuple[dict[str, str], list[str], str]:
        again = run(home, "promotion.automatic=true", *changes)
        assert again.model is not None
        made = {name: status for name, status in statuses(again).items() if status == "done"}
        return made, again.model["aliases"], again.places()[-1].removeprefix("promote ")

    store = open_known(home, f"sqlite:///{home}/mlruns/mlflow.db")
    assert result.model is not None
    other = next(f"registry.experiment={name}" for name in ("xsimgcl", "sasrec-softmax") if name != result.model["recipe"])
    both = ["challenger", "champion"]
    assert told() == ({"promote": "done"}, both, "version 1 unchanged: it is the champion")
    made, aliases, said = told(other)
    assert (made, aliases) == ({"register": "done", "promote": "done"}, ["challenger"])
    assert said.startswith("version 2 kept back: difference: ndcg@20 ")
    assert said.endswith("users, too few to say"), "there are 200 users"

    promote_model(store, "small", 2, Promotion(metric="ndcg@20"), force=True)
    assert told(other) == ({"promote": "done"}, both, "version 2 unchanged: it is the champion")
    assert told(other)[0] == {}
    rollback_model(store, "small")
    back = "version 2 unchanged: it was rolled back; `recsys-cl promote --model small --version 2` brings it back"
    assert told(other) == ({"promote": "done"}, ["challenger", "previous"], back)
    assert told(other) == ({}, ["challenger", "previous"], back)
    assert told() == ({}, ["champion"], "version 1 unchanged: it is the champion")

    store.client.delete_registered_model("small")
    uri = f"sqlite:///{home}/mlruns/mlflow.db"
    [*before, why] = explain_pipeline(home / "small.toml", (), home / "data", uri)
    assert {each.will for each in before} == {"skip"}
    assert (why.stage, why.will) == ("register", "run")
    assert why.why.endswith("no longer stands")
    again = run(home)
    assert {name for name, status in statuses(again).items() if status == "done"} == {"register"}
    assert again.model is not None
    assert (again.model["version"], again.model["aliases"]) == (1, both)
