"""Every recipe gets its trials and no more, sees validation only, survives any death, and its best settings train to the best score."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from recsys_cl.config import load_pipeline
from recsys_cl.core.errors import Diverged, Refused
from recsys_cl.stages import fitting
from recsys_cl.stages.ingest import IngestStage
from recsys_cl.stages.pipeline import run_pipeline, stages_of
from recsys_cl.stages.prepare import PrepareStage
from recsys_cl.stages.report import ReportStage
from recsys_cl.stages.runner import run_stages
from recsys_cl.stages.store import Store
from recsys_cl.stages.tracking import Tracking
from recsys_cl.stages.tuning import tune_pipeline, tune_stages
from tests.stages.small import LOGS, write
from tests.warm import python

ROOT = Path(__file__).parents[2]
PIPELINE = f"""
{LOGS}
[prepare]
split = {{ use = "time" }}

[[experiments]]
recipe = "mf-bpr"
set.training = {{ epochs = 6, refit = true }}
set.source.batch_size = 128
set.encoder.dim = 8

[[experiments]]
recipe = "ease"

[tune]
trials = 8
seed = 2

[tune.space]
"encoder.dim" = {{ use = "choice", values = [4, 8, 16] }}
"""


def tune(home: Path, *changes: str):
    uri = f"sqlite:///{home}/mlruns/mlflow.db"
    return tune_pipeline(home / "small.toml", changes, home / "data", uri, lambda *_: None, lambda _: None)


def alone(home: Path, *changes: str, text: str = PIPELINE, recipe: str = "mf-bpr"):
    """One recipe's search without a tracking store: its trials, without times."""
    pipeline = load_pipeline(write(home, text) / "small.toml", changes)
    stages = [
        stage for stage in tune_stages(pipeline, home / "data" / "small" / "tune", lambda _: None) if stage.experiment == recipe
    ]
    before = [IngestStage(pipeline.ingest, pipeline.seed), PrepareStage(pipeline.prepare)]
    outcome = run_stages([*before, *stages], Store(home / "data" / "small"), lambda *_: None)
    return story(outcome.artifacts[f"tuning/{recipe}"].path)


def story(folder: Path):
    told = json.loads((folder / "trials.json").read_text())
    for trial in [*told["trials"], told["best"] or {"facts": {}}]:
        trial["facts"].pop("seconds", None)
    return told


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("tuning"), PIPELINE)


@pytest.fixture(scope="module")
def tuning(home: Path):
    return tune(home)


@pytest.mark.slow
def test_every_recipe_gets_the_same_number_of_trials(tuning) -> None:
    answer = json.loads(json.dumps(tuning.as_json(), allow_nan=False))
    assert [row["recipe"] for row in answer["recipes"]] == ["popular", "recent-popular", "mf-bpr", "ease"]
    counts = {row["recipe"]: row["complete"] + row["pruned"] + row["failed"] for row in answer["recipes"]}
    assert counts == {"popular": 1, "recent-popular": 8, "mf-bpr": 8, "ease": 8}
    assert answer["trials"] == 8
    assert answer["metric"] == "ndcg@20"
    for row in answer["recipes"]:
        assert row["best"]["value"] == row["best"]["facts"]["valid"]["ndcg@20"] >= row["own"] > 0
        assert bool(row["fragment"]) == bool(row["space"])


@pytest.mark.slow
def test_what_may_vary_is_the_default_with_the_pipelines_laid_over_it(tuning) -> None:
    spaces = {row["recipe"]: set(row["space"]) for row in tuning.recipes}
    assert spaces == {
        "popular": set(),
        "recent-popular": {"encoder.half_life_days"},
        "mf-bpr": {"training.learning_rate", "objectives.l2.weight", "encoder.dim"},
        "ease": {"encoder.l2"},
    }


@pytest.mark.slow
def test_the_best_settings_train_to_the_best_score(home: Path, tuning) -> None:
    row = next(row for row in tuning.recipes if row["recipe"] == "mf-bpr")
    pasted = Path(row["fragment"]).read_text().replace("set.", "")
    assert "training.learning_rate = " in pasted
    write(home / "again", PIPELINE.replace('recipe = "mf-bpr"', f'recipe = "mf-bpr"\ntuned = "{row["fragment"]}"'))
    own = f"sqlite:///{home}/again/mlruns/mlflow.db"
    made = run_pipeline(home / "again" / "small.toml", (), home / "data", own, lambda *_: None, until="train/mf-bpr")
    assert dict(made.experiments[-1].valid) == row["best"]["facts"]["valid"]
    assert made.stages[0][1] == "skipped"
    again = load_pipeline(home / "again" / "small.toml")
    report = next(stage for stage in stages_of(again, Tracking("small", Path(), None)) if isinstance(stage, ReportStage))
    assert dict(report.searched) == {"popular": 0, "recent-popular": 0, "mf-bpr": 8, "ease": 0}
    searches = [tune_stages(load_pipeline(place / "small.toml"), home, lambda _: None) for place in (home, home / "again")]
    assert [stage.search for stage in searches[0]] == [stage.search for stage in searches[1]], "what was found moves no search"


@pytest.mark.slow
def test_each_trial_is_a_finished_child_of_one_parent(home: Path, tuning) -> None:
    import mlflow

    client = mlflow.MlflowClient(f"sqlite:///{home}/mlruns/mlflow.db")
    experiment = client.get_experiment_by_name("small")
    runs = client.search_runs([experiment.experiment_id], max_results=1000)
    (parent,) = [run for run in runs if run.info.run_name == "tune"]
    children = [run for run in runs if run.data.tags.get("mlflow.parentRunId") == parent.info.run_id]
    assert len(children) == len(runs) - 1 == 1 + 3 * 8
    assert {run.info.status for run in runs} == {"FINISHED"}
    pruned = [run for run in children if "pruned" in run.data.params.get("outcome", "")]
    assert len(pruned) == sum(row["pruned"] for row in tuning.recipes) > 0
    best = next(row["best"] for row in tuning.recipes if row["recipe"] == "mf-bpr")
    (run,) = [run for run in children if run.info.run_name == f"mf-bpr/{best['number']}"]
    history = client.get_metric_history(run.info.run_id, "valid/ndcg_at_20")
    assert max(m.value for m in history) == pytest.approx(best["value"])
    assert float(run.data.params["training.learning_rate"]) == best["values"]["training.learning_rate"]


@pytest.mark.slow
def test_again_nothing_is_tried(home: Path, tuning) -> None:
    again = tune(home)
    assert {status for _, status, _ in again.stages} == {"skipped"}
    assert again.recipes == tuning.recipes


@pytest.mark.slow
def test_trials_depend_on_the_seed_alone_and_more_of_them_go_on_where_they_ended(tmp_path: Path) -> None:
    whole = alone(tmp_path / "a", "tune.trials=4")["trials"]
    other = alone(tmp_path / "b", "tune.trials=2", "tune.seed=9")["trials"]
    assert other[0] == whole[0], "the first is the recipe's own"
    assert other[1]["values"] != whole[1]["values"]
    assert alone(tmp_path / "b", "tune.trials=2")["trials"] == whole[:2]
    folder = tmp_path / "b" / "data" / "small" / "tune"
    studies = len(list(folder.glob("mf-bpr-*")))
    assert alone(tmp_path / "b", "tune.trials=4")["trials"] == whole
    assert len(list(folder.glob("mf-bpr-*"))) == studies, "the study goes on"
    assert alone(tmp_path / "b", "tune.trials=3")["trials"] == whole[:3], "fewer are the first of them"


@pytest.mark.slow
def test_a_search_is_never_shown_the_test_part(tmp_path: Path) -> None:
    pipeline = load_pipeline(write(tmp_path, PIPELINE) / "small.toml", ["tune.trials=1"])
    stages = tune_stages(pipeline, tmp_path / "data" / "small" / "tune", lambda _: None)
    assert {name for stage in stages for name in stage.reads} == {"train", "valid", "vocabulary"}
    before = [IngestStage(pipeline.ingest, pipeline.seed), PrepareStage(pipeline.prepare)]
    made = run_stages(before, Store(tmp_path / "data" / "small"), lambda *_: None)
    made.artifacts["test"].path.write_bytes(b"whoever reads this, fails")
    assert alone(tmp_path, "tune.trials=1")["complete"] == 1


@pytest.mark.slow
def test_a_trial_that_diverges_is_counted_and_the_others_go_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain, calls = fitting.fit, []

    def fit(*arguments):
        calls.append(1)
        if len(calls) == 2:
            raise Diverged("epoch 1, step 1: loss term 'bpr' is not finite")
        return plain(*arguments)

    monkeypatch.setattr(fitting, "fit", fit)
    told = alone(tmp_path, "tune.trials=3")
    assert [trial["state"] for trial in told["trials"]] == ["complete", "failed", "complete"]
    assert "not finite" in told["trials"][1]["facts"]["reason"]
    assert len(calls) == 3


@pytest.mark.slow
def test_a_recipe_of_which_nothing_completes_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fit(*arguments):
        raise Diverged("epoch 1, step 1: loss term 'bpr' is not finite")

    monkeypatch.setattr(fitting, "fit", fit)
    monkeypatch.setattr("recsys_cl.stages.tuning._tracked", lambda stage, runs: stage)
    write(tmp_path, PIPELINE)
    with pytest.raises(Refused, match=r"no trial was completed: popular: .*not finite.*ease: .*not finite"):
        tune(tmp_path, "tune.trials=2")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("tune.trails=3", r"tune\.trails: unknown key; did you mean 'trials'"),
        ("tune.trials=0", r"tune\.trials: .*greater than or equal to 1"),
        ('tune.prune="mediann"', r"tune\.prune: .*median.*got 'mediann'"),
        ('tune.metric="ndgc@20"', r"tune\.metric: 'ndgc@20' is not measured; did you mean 'ndcg@20'"),
        ('tune.space={"encoder.dmi"={use="integer", low=4, high=8}}', r"encoder\.dmi.*no recipe.*did you mean 'encoder\.dim'"),
        ('tune.space={"encoder.dim"={use="integr", low=4, high=8}}', r"encoder\.dim.*no 'integr'.*did you mean 'integer'"),
        (
            'tune.space={"encoder.dim"={use="integer", low=0, high=8}}',
            r'"encoder\.dim": mf-bpr: encoder\.dim: .*greater than 0',
        ),
        ('override.tune.space={"training.epochz"={use="integer", low=1, high=8}}', r"epochz.*did you mean 'epochs'"),
    ],
)
def test_a_wrong_setting_is_refused_before_data_is_read(tmp_path: Path, change: str, message: str) -> None:
    with pytest.raises(Refused, match=message):
        tune(write(tmp_path, PIPELINE), change)
    assert not (tmp_path / "data").exists()


KILLED = """
import os, signal, sys
sys.path[:0] = [{root!r}]
from pathlib import Path
from recsys_cl.tracking.jsonl import JsonLines
from tests.stages.test_tuning import tune
calls, plain = [], JsonLines.log
def log(self, metrics, step):
    plain(self, metrics, step)
    calls.append(step)
    if len(calls) == {death}:
        os.kill(os.getpid(), signal.SIGKILL)
JsonLines.log = log
tune(Path({home!r}))
"""


def reported(home: Path):
    """What each trial of mf-bpr that ended by itself has reported, epoch by epoch."""
    import optuna

    storage = optuna.storages.RDBStorage(f"sqlite:///{home}/data/small/tune/studies.db")
    (name,) = [each for each in optuna.get_all_study_names(storage) if each.startswith("mf-bpr")]
    trials = optuna.load_study(study_name=name, storage=storage).get_trials()
    storage.remove_session()
    storage.engine.dispose()
    return [trial.intermediate_values for trial in trials if trial.state.name != "FAIL"]


@pytest.mark.slow
def test_killed_in_the_middle_of_a_trial_the_same_command_goes_on_from_there(home: Path, tuning, tmp_path: Path) -> None:
    import mlflow

    write(tmp_path, PIPELINE)
    for death in (1 + 8 + 6 + 2, 3):  # in the second trial of mf-bpr, at its second epoch; then some epochs later
        script = KILLED.format(root=str(ROOT), home=str(tmp_path), death=death)
        done = python(script)
        assert done.returncode == -9, done.stderr
    resumed = tune(tmp_path)

    def results(found):
        rows = [dict(row, fragment=None, best=dict(row["best"], facts=row["best"]["facts"]["valid"])) for row in found.recipes]
        return json.loads(json.dumps(rows))

    assert results(resumed) == results(tuning)
    found = [next((folder / "data/small").glob("tune-mf-bpr/*/tuning-mf-bpr")) for folder in (tmp_path, home)]
    assert story(found[0]) == story(found[1]), "trial by trial"
    assert reported(tmp_path) == reported(home), "the pruner has seen what it would have seen"
    client = mlflow.MlflowClient(f"sqlite:///{tmp_path}/mlruns/mlflow.db")
    runs = client.search_runs([client.get_experiment_by_name("small").experiment_id], max_results=1000)
    assert len(runs) == 1 + 1 + 3 * 8, "no trial has two runs"
    assert {run.info.status for run in runs} == {"FINISHED"}
    assert not list((tmp_path / "data/small/tune").glob("*/*/")), "no checkpoint is left"
