"""A report of what was logged says what the pipeline's own report said, from run ids and from folders alike."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from recsys_cl.commands.report import report
from recsys_cl.core.errors import Refused
from recsys_cl.stages.lineage import lineage
from recsys_cl.stages.logged import report_logged
from recsys_cl.stages.pipeline import Result, run_pipeline
from tests.stages.small import LOGS, write

pytestmark = pytest.mark.slow

PIPELINE = f"""
{LOGS}
[prepare]
split = {{ use = "time" }}
[[experiments]]
recipe = "popular"
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("logged"), PIPELINE)


def uri(home: Path) -> str:
    return f"sqlite:///{home}/mlruns/mlflow.db"


@pytest.fixture(scope="module")
def result(home: Path) -> Result:
    return run_pipeline(home / "small.toml", (), home / "data", uri(home), lambda *_: None)


def evaluations(home: Path) -> list[str]:
    return [
        str(next((home / "data/small").glob(f"evaluate-{name}/*/evaluation-{name}"))) for name in ("popular", "recent-popular")
    ]


def told(folder: Path) -> tuple[list[dict[str, object]], dict[str, object]]:
    rows = pq.read_table(folder / "metrics.parquet").to_pylist()
    return sorted(rows, key=lambda row: (row["recipe"], row["metric"])), json.loads((folder / "report.json").read_text())


def test_the_pipeline_writes_page_markdown_json_and_table(result: Result) -> None:
    assert result.report is not None
    assert {path.name for path in result.report.parent.iterdir()} == {
        "index.html",
        "report.md",
        "report.json",
        "metrics.parquet",
    }
    rows, whole = told(result.report.parent)
    assert len(rows) == 2 * len(result.experiments[0].test)
    assert len(whole["examples"]) == 10
    assert whole["commands"][0].endswith("small.toml")
    assert "prepare" in whole["facts"]


def test_runs_say_what_the_pipeline_said(home: Path, result: Result, tmp_path: Path) -> None:
    assert result.report is not None
    ids = [str(line.run_id) for line in result.experiments]
    page = report_logged(ids, tmp_path / "out", "ndcg@20", uri(home))
    rows, whole = told(page.parent)
    before, pipelines = told(result.report.parent)
    assert rows == before
    assert whole["pipeline"] == "small"
    for part in ("data", "examples", "maps", "headline"):
        assert whole[part] == pipelines[part], part
    assert [t["recall"] for t in whole["trials"]] == [t["recall"] for t in pipelines["trials"]]
    assert whole["trials"][0]["segments"] == pipelines["trials"][0]["segments"]


def test_folders_lead_to_all_they_were_made_of(home: Path, result: Result, tmp_path: Path) -> None:
    assert result.report is not None
    rows, whole = told(report_logged(evaluations(home), tmp_path / "out", "ndcg@20", None).parent)
    before, pipelines = told(result.report.parent)
    assert rows == before
    assert whole["data"] == pipelines["data"]
    assert whole["trials"][0]["title"] == pipelines["trials"][1]["title"], "the order is the one they were named in"


def test_lineage_never_leads_to_the_test_part(home: Path, result: Result) -> None:
    name, made = lineage(Path(evaluations(home)[0]))
    assert name == "popular"
    assert {"train", "valid", "vocabulary", "data_report", "model/popular"} <= set(made)
    assert "test" not in made
    assert "evaluation/recent-popular" not in made


def test_a_parent_stands_for_its_children_and_names_are_kept_apart(home: Path, result: Result, tmp_path: Path) -> None:
    from recsys_cl.tracking.store import open_store

    client = open_store(home, uri(home)).client
    experiment = client.get_experiment_by_name("small").experiment_id
    parent = client.create_run(experiment, run_name="search").info.run_id
    for folder in evaluations(home):
        child = client.create_run(experiment, tags={"mlflow.parentRunId": parent}, run_name="trial").info.run_id
        for file in ("metrics.json", "per_user.parquet"):
            client.log_artifact(child, f"{folder}/{file}", "evaluation")
    _, whole = told(report_logged([parent], tmp_path / "out", "ndcg@20", uri(home)).parent)
    assert [trial["name"] for trial in whole["trials"]] == ["trial", "trial (2)"]
    page = (tmp_path / "out" / "index.html").read_text()
    assert '<section id="data" class="missing">' in page, "these runs carry no report of a pipeline"


def test_what_stands_on_other_data_is_refused_naming_both(home: Path, result: Result, tmp_path: Path) -> None:
    ours, theirs = evaluations(home)
    other = tmp_path / "evaluation-other"
    shutil.copytree(theirs, other)
    facts = json.loads((other / "metrics.json").read_text())
    changed = {**facts, "test_digest": "0" * 64, "digests": {**facts.get("digests", {}), "test": "0" * 64}}
    (other / "metrics.json").write_text(json.dumps(changed))
    with pytest.raises(Refused, match=r"'popular' and evaluation 'other' stand on different test parts"):
        report_logged([ours, str(other)], tmp_path / "out", "ndcg@20", None)
    assert not (tmp_path / "out").exists()


def test_what_is_neither_run_nor_folder_is_refused(home: Path, result: Result, tmp_path: Path) -> None:
    with pytest.raises(Refused, match="no run 'nonsense'"):
        report_logged(["nonsense"], tmp_path, "ndcg@20", uri(home))
    with pytest.raises(Refused, match="neither an evaluation folder"):
        report_logged([str(home)], tmp_path, "ndcg@20", uri(home))
    with pytest.raises(Refused, match=r"'ndcg@7' was not measured"):
        report_logged(evaluations(home), tmp_path, "ndcg@7", None)
    with pytest.raises(Refused, match=r"'a.toml' is a pipeline; give one pipeline, or run ids"):
        report(["a.toml", "b"])
    with pytest.raises(Refused, match="--set and --force are for a pipeline"):
        report(["b"], force=True)
    for given in ({"out": tmp_path}, {"metric": "recall@20"}):
        with pytest.raises(Refused, match="--out and --metric are for what was logged"):
            report(["a.toml"], **given)


def test_a_run_without_an_evaluation_is_refused(home: Path, result: Result, tmp_path: Path) -> None:
    from recsys_cl.tracking.store import open_store

    client = open_store(home, uri(home)).client
    bare = client.create_run(client.get_experiment_by_name("small").experiment_id).info.run_id
    with pytest.raises(Refused, match=f"run {bare} keeps no evaluation/metrics.json"):
        report_logged([bare], tmp_path, "ndcg@20", uri(home))
