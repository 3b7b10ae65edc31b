"""Register, load, compare and promote where a team keeps its store: PostgreSQL and S3 behind one MLflow server."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from time import perf_counter
from urllib.parse import quote

import pandas as pd
import pytest

from benchmarks.nights import write_day
from tests.services.conftest import BUCKET, PASSWORD, Team

pytestmark = [pytest.mark.slow, pytest.mark.services, pytest.mark.timeout(1800)]

PIPELINE = """
name = "team-shop"

[ingest.source]
use = "csv"
path = "logs/*.csv"

[prepare]
split = { use = "time" }

[evaluation]
metrics = ["ndcg", "recall", "coverage"]
ks = [10, 20]

[registry]
metric = "ndcg@10"

[[experiments]]
recipe = "mf-bpr"
set.encoder.dim = 16
set.source.batch_size = 2048
set.training = { learning_rate = 2e-2, select = "ndcg@10" }
"""


@pytest.fixture(scope="module")
def versions(team: Team) -> list[dict[str, object]]:
    """One epoch, then twelve of the same logs: what two runs of the pipeline registered."""
    (team.folder / "shop.toml").write_text(PIPELINE)
    write_day(team.folder / "logs", "2026-11-01", 20_000, planted=True)
    answers = []
    for epochs in (1, 12):
        ended = team.run("run", "shop.toml", "--set", f"override.training.epochs={epochs}", "--json")
        assert ended.returncode == 0, ended.stderr[-3000:]
        answers.append(json.loads(ended.stdout.splitlines()[-1]))
    return answers


def test_runs_and_versions_are_rows_of_postgres_and_files_are_objects_of_s3(team: Team, versions: list[dict]) -> None:
    assert [answer["model"]["version"] for answer in versions] == [1, 2]
    assert versions[1]["model"]["aliases"] == ["challenger"]
    finished = {run_id for (run_id,) in team.rows("SELECT run_uuid FROM runs WHERE status = 'FINISHED'")}
    trained = {row["run_id"] for answer in versions for row in answer["experiments"]}
    assert trained | {str(answer["model"]["parent"]) for answer in versions} == finished
    assert team.rows("SELECT count(*) FROM runs WHERE status <> 'FINISHED'") == [(0,)]
    assert team.rows("SELECT name, version FROM model_versions ORDER BY version") == [("team-shop", 1), ("team-shop", 2)]
    kept = team.objects()
    assert sum(name.endswith("MLmodel") for name in kept) == 2
    assert sum(name.endswith("evaluation/per_user.parquet") for name in kept) == len(trained)
    assert not (team.folder / "mlruns").exists(), "nothing of the store lies on this machine"


def test_the_champion_is_loaded_from_there(team: Team, versions: list[dict]) -> None:
    program = (
        "import mlflow, pandas as pd\n"
        "model = mlflow.pyfunc.load_model('models:/team-shop@champion')\n"
        "print(model.predict(pd.DataFrame({'user_id': ['u1']}), params={'k': 5})[['rank', 'item_id']].to_json(orient='values'))"
    )
    (team.folder / "load.py").write_text(program)
    ended = team.run("recommend", "--model", "models:/team-shop@champion", "--k", "5", "--out", "recs.parquet")
    assert ended.returncode == 0, ended.stderr[-3000:]
    batch = pd.read_parquet(team.folder / "recs.parquet")
    import os
    import subprocess

    environment = {**os.environ, "MLFLOW_TRACKING_URI": team.address, "PYTHONPATH": str(Path(__file__).parents[2])}
    loaded = subprocess.run(
        [sys.executable, "load.py"], cwd=team.folder, env=environment, capture_output=True, text=True, check=False
    )
    assert loaded.returncode == 0, loaded.stderr[-3000:]
    mine = batch[batch["user_id"] == "u1"].sort_values("rank")
    assert json.loads(loaded.stdout.splitlines()[-1]) == [[r, i] for r, i in zip(mine["rank"], mine["item_id"], strict=True)]


def test_the_better_version_is_promoted_and_rolled_back(team: Team, versions: list[dict]) -> None:
    compared = team.run("compare", "models:/team-shop/2", "models:/team-shop/1", "--json")
    assert compared.returncode == 0, compared.stderr[-3000:]
    promoted = team.run("promote", "--model", "team-shop", "--metric", "ndcg@10")
    assert promoted.returncode == 0, promoted.stderr[-3000:]
    assert promoted.stdout.strip() == "models:/team-shop/2 (challenger, champion)"
    kept = [name for name in team.objects() if name.endswith("promotion/decision.json")]
    assert len(kept) == 1
    decision = json.loads(team.s3.get_object(Bucket=BUCKET, Key=kept[0])["Body"].read())
    assert (decision["outcome"], decision["champion_before"]) == ("promoted", 1)
    tags = dict(team.rows("SELECT key, value FROM model_version_tags WHERE version = 2"))
    assert tags["recsys_cl.promotion.decision"] == "promoted"
    assert re.match(r"ok: ndcg@10 \+", tags["recsys_cl.promotion.evidence"])
    back = team.run("rollback", "--model", "team-shop")
    assert back.stdout.strip() == "models:/team-shop/1 (champion)"


def test_a_byte_changed_in_s3_is_refused_before_it_is_loaded(team: Team, versions: list[dict]) -> None:
    """Last of all: version 2 is spoilt for good."""
    [(source,)] = team.rows("SELECT storage_location FROM model_versions WHERE version = 2")
    part = source.rpartition("/models/")[2]
    [victim] = [name for name in team.objects() if part in name and name.endswith(".safetensors") and "vectors" in name]
    body = bytearray(team.s3.get_object(Bucket=BUCKET, Key=victim)["Body"].read())
    body[-1] ^= 1
    team.s3.put_object(Bucket=BUCKET, Key=victim, Body=bytes(body))
    before = team.rows("SELECT alias, version FROM registered_model_aliases ORDER BY alias")
    for command in (
        ["promote", "--model", "team-shop", "--version", "2", "--force"],
        ["recommend", "--model", "models:/team-shop/2", "--out", "no.parquet"],
    ):
        ended = team.run(*command)
        assert ended.returncode == 2, ended.stderr[-3000:]
        assert "damaged or changed" in ended.stderr.replace("\n", " ")
    assert team.rows("SELECT alias, version FROM registered_model_aliases ORDER BY alias") == before
    assert not (team.folder / "no.parquet").exists()


def test_a_password_in_an_address_is_never_said(team: Team, versions: list[dict]) -> None:
    """The database named directly: what answers, what refuses and what is not there say their address without it."""
    spelt = quote(PASSWORD, safe="")
    nowhere = team.database.replace("/mlflow", "/nothing")
    wrong = team.database.replace(spelt, f"{spelt}x")
    for address, code in ((team.database, 0), (nowhere, 3), (wrong, 3)):
        for command in (["doctor"], ["models", "list"]):
            ended = team.run(*command, "--tracking-uri", address)
            said = re.sub(r"[\s│]", "", ended.stdout + ended.stderr)
            assert ended.returncode == code, said[-2000:]
            assert spelt not in said
            assert PASSWORD not in said
            assert (command, code) == (["models", "list"], 0) or "127.0.0.1" in said


@pytest.mark.timeout(60)
def test_a_wrong_password_is_told_in_seconds(team: Team) -> None:
    wrong = team.database.replace(quote(PASSWORD, safe=""), "wrong")
    began = perf_counter()
    ended = team.run("models", "list", "--tracking-uri", wrong)
    assert ended.returncode == 3, ended.stderr[-2000:]
    assert perf_counter() - began < 30, "MLflow by itself goes on for 100 s"
    assert ended.stderr.count("\n") == 1, ended.stderr
    assert re.match(r"recsys-cl: tracking store postgresql\+psycopg://127\.0\.0\.1:\d+/mlflow: .*password", ended.stderr)
