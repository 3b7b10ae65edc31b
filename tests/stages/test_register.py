import json
import marshal
import re
import shutil
import sys

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import torch
from pyarrow import parquet
from safetensors.torch import save_file

from recsys_cl.config import load_recipe
from recsys_cl.core.errors import Refused
from recsys_cl.core.files import digest_file, write_json
from recsys_cl.core.protocols import Job
from recsys_cl.serving.answer import recommend
from recsys_cl.serving.load import load_bundle
from recsys_cl.stages.register import RegisterStage
from recsys_cl.stages.tracking import Tracking
from recsys_cl.tracking.jsonl import JsonLines
from recsys_cl.tracking.promotion import aliases, decision_about, record
from recsys_cl.tracking.store import open_store

pytestmark = [
    pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy is deprecated:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:.*inferred as AnyType:UserWarning"),
    pytest.mark.filterwarnings("ignore:Operation with range is deprecated"),
]

USERS, ITEMS = 5, 12
VALID = {"weak": 0.2, "strong": 0.6}


@pytest.fixture
def reads(tmp_path):
    """What the stages before leave behind, written by hand."""
    folder = tmp_path / "artifacts"
    rng = np.random.default_rng(5)
    (folder / "vocabulary").mkdir(parents=True)
    write_json(folder / "vocabulary" / "shape.json", {"users": USERS, "items": ITEMS})
    write_table(folder / "vocabulary" / "users.parquet", user_id=[f"u{i}" for i in range(USERS)])
    titles = [f"item {i}" for i in range(ITEMS)]
    write_table(folder / "vocabulary" / "items.parquet", item_id=[f"i{i}" for i in range(ITEMS)], title=titles)
    for part, rows, outside in (("train", 20, 0), ("valid", 6, 1)):
        write_table(
            folder / part,
            user=pa.array(rng.integers(USERS, size=rows), pa.int32()),
            item=pa.array(rng.integers(ITEMS + outside, size=rows), pa.int32()),
            timestamp=pa.array(np.arange(rows), pa.int64()),
        )
    (folder / "report").mkdir()
    (folder / "report" / "index.html").write_text("<p>report</p>")
    write_json(folder / "audit", {"verdict": "warning", "checks": [{"verdict": "ok"}, {"verdict": "warning"}]})
    found = {name: folder / name for name in ("vocabulary", "train", "valid", "audit", "report")}
    for name in VALID:
        found |= {f"model/{name}": write_model(folder, name), f"evaluation/{name}": write_evaluation(folder, name)}
    return found


def write_table(path, **columns):
    parquet.write_table(pa.table(columns), path, write_page_checksum=True)


def write_model(folder, name):
    model = folder / f"model-{name}"
    recipe = load_recipe("mf-softmax")  # any that neither reads histories nor folds them in
    write_json(model / "recipe.json", recipe.model_dump(mode="json") | {"title": name.title()})
    summary = {"fingerprint": name * 8, "epochs": 2, "parameters": 68, "valid": {"ndcg@20": VALID[name]}}
    write_json(model / "summary.json", summary)
    history = JsonLines(model / "history.jsonl")
    history.note({"encoder.dim": "4"})
    history.log({"loss/bpr": 0.7, "valid/ndcg@20": 0.1}, step=1)
    history.log({"loss/bpr": 0.6, "valid/ndcg@20": VALID[name]}, step=2)
    return model


def write_evaluation(folder, name):
    evaluation = folder / f"evaluation-{name}"
    write_json(evaluation / "metrics.json", {"test": {"ndcg@20": VALID[name] / 2}, "conventions": {}})
    pd.DataFrame({"user": [0], "user_id": ["u0"], "ndcg@20": [0.5]}).to_parquet(evaluation / "per_user.parquet")
    rng = torch.Generator().manual_seed(len(name))
    vectors = {"users": torch.randn(USERS, 3, generator=rng), "items": torch.randn(ITEMS, 3, generator=rng)}
    save_file(vectors, evaluation / "vectors.safetensors")
    return evaluation


def stage_in(root, chosen=None, uri=None):
    return RegisterStage("planted", tuple(VALID), "ndcg@20", chosen, Tracking("pipeline", root, uri, {"seed": "7"}))


def run(stage, reads, root, number=0):
    job = Job(reads, root / f"out{number}", "f" * 64)
    job.scratch.mkdir()
    stage.run(job)
    return json.loads(job.out("registration").read_text())


def test_reads_no_test_part():
    assert "test" not in stage_in(None).reads


def test_registers_the_best_on_validation_and_completes_every_run(root, reads):
    stage = stage_in(root)
    registration = run(stage, reads, root)
    assert {k: registration[k] for k in ("name", "version", "recipe")} == {"name": "planted", "version": 1, "recipe": "strong"}
    store = stage.tracking.experiment.store
    assert aliases(store, "planted") == {"challenger": 1, "champion": 1}
    runs = {r.info.run_name: r for r in store.client.search_runs([stage.tracking.experiment.id])}
    assert registration["runs"] == {name: runs[name].info.run_id for name in VALID}
    strong = runs["strong"]
    assert strong.info.run_id == registration["run_id"]
    assert strong.info.status == "FINISHED"
    assert strong.data.params == {"encoder.dim": "4"}
    assert strong.data.tags["seed"] == "7"
    assert strong.data.metrics["valid/ndcg_at_20"] == strong.data.metrics["best/ndcg_at_20"] == 0.6
    assert strong.data.metrics["test/ndcg_at_20"] == 0.3
    assert {i.tags[0].value for i in strong.inputs.dataset_inputs} == {"train", "valid"}
    kept = {
        f.path
        for folder in ("training", "evaluation", "report")
        for f in store.client.list_artifacts(strong.info.run_id, folder)
    }
    assert kept >= {"training/recipe.json", "evaluation/per_user.parquet", "report/index.html"}


def test_the_trainings_of_one_pipeline_have_one_parent_and_its_tags(root, reads):
    stage = stage_in(root)
    first, again = run(stage, reads, root, 0), run(stage, reads, root, 1)
    client = stage.tracking.experiment.store.client
    parent = client.get_run(first["parent"])
    assert again["parent"] == first["parent"], "the same trainings have the same parent"
    assert (parent.info.status, parent.info.run_name) == ("FINISHED", stage.tracking.pipeline)
    children = client.search_runs(
        [stage.tracking.experiment.id], f"tags.`mlflow.parentRunId` = '{parent.info.run_id}'", max_results=10
    )
    assert {child.info.run_id for child in children} == set(first["runs"].values())
    for one in (parent, *children):
        assert one.data.tags["seed"] == "7"
        assert one.data.tags["recsys_cl.data"] == digest_file(reads["train"])


def test_what_has_learnt_nothing_is_registered_only_if_nothing_has_learnt(root, reads):
    path = reads["model/strong"] / "summary.json"
    write_json(path, {**json.loads(path.read_text()), "parameters": 0})
    assert run(stage_in(root), reads, root, 0)["recipe"] == "weak"
    path = reads["model/weak"] / "summary.json"
    write_json(path, {**json.loads(path.read_text()), "parameters": 0})
    assert run(stage_in(root), reads, root, 1)["recipe"] == "strong"


def test_the_champion_answers(root, reads, monkeypatch):
    stage = stage_in(root)
    run(stage, reads, root)
    bundle = load_bundle("models:/planted@champion", root=root)
    known = {(r["user"], r["item"]) for part in ("train", "valid") for r in parquet.read_table(reads[part]).to_pylist()}
    known = {(user, item) for user, item in known if item < ITEMS}
    assert {(u, i) for u in range(USERS) for i in bundle.seen.row(u).tolist()} == known
    assert bundle.meta["metrics"]["test"] == {"ndcg@20": 0.3}

    import mlflow

    monkeypatch.setenv("MLFLOW_ALLOW_PICKLE_DESERIALIZATION", "false")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", stage.tracking.experiment.store.uri)
    model = mlflow.pyfunc.load_model("models:/planted@champion")
    predicted = model.predict(pd.DataFrame({"user_id": ["u3", "someone"]}), params={"k": 3})
    assert predicted.equals(recommend(bundle, ["u3", "someone"], 3).to_pandas())
    load_bundle("models:/planted/1", root=root)  # what MLflow adds to the folder on loading is no damage


def test_again_is_the_same_version_and_another_model_the_next(root, reads):
    first = run(stage_in(root), reads, root, 0)
    assert run(stage_in(root), reads, root, 1) == first
    other = run(stage_in(root, chosen="weak"), reads, root, 2)
    assert (other["version"], other["recipe"]) == (2, "weak")
    assert aliases(open_store(root), "planted") == {"challenger": 2, "champion": 1}
    assert run(stage_in(root), reads, root, 3)["version"] == 1
    assert aliases(open_store(root), "planted") == {"challenger": 1, "champion": 1}


def test_what_was_registered_stands_as_long_as_it_is_there(root, reads):
    stage = stage_in(root)
    made = {"registration": root / "out0" / "out" / "registration"}
    run(stage, reads, root, 0)
    client = stage.tracking.experiment.store.client
    assert stage.stands(made)
    client.set_model_version_tag("planted", "1", "recsys_cl.fingerprint", "of another")
    assert not stage.stands(made), "another took its number"
    client.delete_registered_model("planted")
    assert not stage.stands(made)
    run(stage, reads, root, 1)
    assert stage.stands(made), "the same content under the same number"
    assert aliases(open_store(root), "planted") == {"challenger": 1, "champion": 1}


@pytest.mark.parametrize("how", ["changed", "gone"])
def test_what_was_damaged_is_registered_again_and_takes_its_place(root, reads, how):
    stage, made = stage_in(root), {"registration": root / "out0" / "out" / "registration"}
    run(stage, reads, root, 0)
    store = stage.tracking.experiment.store
    record(store, "planted", 1, "promoted", {"against": "nobody"})
    [model] = (root / "mlruns" / "artifacts" / "pipeline" / "models").glob("*/artifacts/model.py")
    if how == "gone":
        shutil.rmtree(model.parent)
    else:
        model.write_text(model.read_text() + "\n# more\n")
    assert stage.stands(made), "whether the files are whole is not looked at every night"
    assert [run(stage, reads, root, number)["version"] for number in (1, 2)] == [2, 2], "again: the same"
    assert not stage.stands(made)
    assert aliases(store, "planted") == {"challenger": 2, "champion": 2}
    assert decision_about(store, "planted", 2) == "promoted"
    assert load_bundle("models:/planted@champion", root=root).item_ids.to_pylist() == [f"i{n}" for n in range(ITEMS)]
    assert "damaged" in store.client.get_model_version("planted", "1").tags["recsys_cl.damaged"]


def test_a_store_that_is_asked_says_what_its_file_does(root, reads):
    from recsys_cl.tracking import standing

    stage = stage_in(root)
    run(stage, reads, root, 0)
    run(stage_in(root, chosen="weak"), reads, root, 1)
    store = stage.tracking.experiment.store
    store.client.delete_model_version("planted", "1")
    for name in ("planted", "another"):
        peeked, asked = standing.standing_of(name, root), standing._ask(name, store)
        assert (peeked.aliases, peeked.versions) == (asked.aliases, asked.versions)
    assert (peeked.aliases, peeked.versions) == ({}, {})
    assert standing.standing_of("planted", root).roles(2) == ["challenger"]
    assert list(standing.standing_of("planted", root).versions) == [2]


def test_a_kill_before_the_aliases_is_mended_by_the_next_run(root, reads, monkeypatch):
    from recsys_cl.tracking import registry

    def killed(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(registry, "appoint", killed)
        with pytest.raises(KeyboardInterrupt):
            run(stage_in(root), reads, root, 0)
    with pytest.raises(Refused, match="no alias 'champion'"):
        load_bundle("models:/planted@champion", root=root)
    assert run(stage_in(root), reads, root, 1)["version"] == 1


def test_a_copy_that_answers_otherwise_is_not_appointed(root, reads, monkeypatch):
    from recsys_cl.serving import package

    write = package.write_model

    def spoil(bundle, folder, model_id=None):
        spoilt = [*bundle.item_ids.to_pylist()[1:], "i0"]
        import dataclasses

        write(dataclasses.replace(bundle, item_ids=pa.array(spoilt)), folder, model_id)

    monkeypatch.setattr(package, "write_model", spoil)
    with pytest.raises(Refused, match="does not answer"):
        run(stage_in(root), reads, root)
    assert open_store(root).client.get_registered_model("planted").aliases == {}


def test_bytecode_beside_the_models_code_is_neither_damage_nor_run(root, reads, monkeypatch):
    import mlflow

    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    run(stage_in(root), reads, root)
    [code] = (root / "mlruns" / "artifacts" / "pipeline" / "models").glob("*/artifacts/model.py")
    beside = code.parent / "__pycache__"
    assert not beside.exists(), "registering leaves none"
    mlflow.pyfunc.load_model(str(code.parent))
    [bytecode] = beside.iterdir()
    assert load_bundle("models:/planted@champion", root=root).item_ids
    harm = bytecode.read_bytes()[:16] + marshal.dumps(compile("raise SystemExit('run')", "model.py", mode="exec"))
    bytecode.write_bytes(harm)  # of the date and size that Python asks for
    assert run(stage_in(root), reads, root, 1)["version"] == 1
    assert bytecode.read_bytes() == harm
    with pytest.raises(SystemExit, match="run"):
        mlflow.pyfunc.load_model(str(code.parent))


def test_damaged_and_foreign_models_are_refused(root, reads):
    run(stage_in(root), reads, root)
    client = open_store(root).client
    [model] = (root / "mlruns" / "artifacts" / "pipeline" / "models").glob("*/artifacts/model.py")
    model.write_text(model.read_text() + "\n# more\n")
    with pytest.raises(Refused, match=f"{re.escape(str(model))}: damaged or changed"):
        load_bundle("models:/planted@champion", root=root)
    client.delete_model_version_tag("planted", "1", "recsys_cl.files")  # as of a version that an older package registered
    with pytest.raises(Refused, match=f"the files in {re.escape(str(model.parent))} are not the registered ones"):
        load_bundle("models:/planted@champion", root=root)
    client.delete_model_version_tag("planted", "1", "recsys_cl.sha256")
    with pytest.raises(Refused, match="by other means"):
        load_bundle("models:/planted@champion", root=root)


def test_what_is_not_there_is_refused_with_the_nearest(root, reads):
    with pytest.raises(Refused, match=r"no store at .*; run a pipeline first"):
        load_bundle("models:/planted@champion", root=root / "elsewhere")
    run(stage_in(root), reads, root)
    for model, message in {
        "models:/planed@champion": "did you mean 'planted'",
        "models:/planted@champ": "did you mean 'champion'",
        "models:/planted/7": "no version 7 .*it has 1",
        "models:/planted": "write models:/NAME@ALIAS",
        "models:/planted@a@b": "write models:/NAME@ALIAS",
        "nowhere": "no such model",
    }.items():
        with pytest.raises(Refused, match=message):
            load_bundle(model, root=root)


def test_another_store_is_another_outside_and_gets_everything(root, reads, empty_store, tmp_path):
    stage = stage_in(root)
    outside = stage.outside()
    first = run(stage, reads, root, 0)
    assert stage.outside() == stage_in(root).outside() == outside
    (tmp_path / "other").mkdir()
    shutil.copy(empty_store / "mlruns" / "mlflow.db", tmp_path / "other" / "runs.db")
    other = stage_in(root, uri=f"sqlite:///{tmp_path / 'other' / 'runs.db'}")
    assert other.outside() != outside
    second = run(other, reads, root, 1)
    assert set(second["runs"].values()).isdisjoint(first["runs"].values())
    assert (tmp_path / "other" / "artifacts" / "pipeline").is_dir()


def test_a_metric_that_was_not_measured_is_refused(root):
    with pytest.raises(Refused, match="did you mean 'ndcg@20'"):
        RegisterStage("m", ("a",), "ndcg@10", None, Tracking("p", root)).choose({"a": {"ndcg@20": 0.1}})


def test_of_equals_the_first_listed_is_chosen():
    stage = RegisterStage("m", ("a", "b", "c"), "x", None, Tracking("p", None))
    assert stage.choose({"a": {"x": 0.1}, "b": {"x": 0.2}, "c": {"x": 0.2}}) == "b"
