"""Promotion by planted values per user: who is better is known, and nobody else is appointed."""

import json
import re
import socket
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from recsys_cl.core.errors import Refused
from recsys_cl.core.files import write_json
from recsys_cl.core.protocols import Job
from recsys_cl.evaluation.settings import Evaluation
from recsys_cl.serving.load import SHA256
from recsys_cl.serving.manifest import digest_folder
from recsys_cl.stages import promote as stages_promote
from recsys_cl.stages.decision import summary_of
from recsys_cl.stages.promote import promote_model, rollback_model
from recsys_cl.stages.promoting import PromoteStage
from recsys_cl.stages.register import AUDIT
from recsys_cl.stages.tracking import Tracking
from recsys_cl.tracking.experiment import PROCESS, open_experiment, reap
from recsys_cl.tracking.process import here
from recsys_cl.tracking.promotion import aliases, catalogue, promote
from recsys_cl.tracking.registry import appoint, log_model, register
from recsys_cl.tracking.run import MlflowTracker
from recsys_cl.tracking.settings import Promotion
from recsys_cl.tracking.store import open_known, open_store

pytestmark = pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy is deprecated:DeprecationWarning")

USERS = 600
NOISE = np.random.default_rng(0).normal(0, 0.05, USERS)
NOISE -= NOISE.mean()  # so that the planted gain is the mean gain


@pytest.fixture
def store(root):
    return open_store(root)


def add(store, folder, label, *, gain=0.0, digest="a" * 64, users=USERS, rows=USERS, audit="ok", drift="ok", coverage=0.5):
    """Register a version whose every user is better by ``gain``, but for noise."""
    experiment = open_experiment(store, "planted")
    run = experiment.ensure(label, label, lambda _: None)
    evaluation = folder / label
    evaluation.mkdir()
    values = np.linspace(0.1, 0.9, USERS) + gain + (NOISE if gain else 0)
    frame = pd.DataFrame({"user": range(USERS), "user_id": [f"u{i}" for i in range(USERS)], "held_out": 1, "ndcg@20": values})
    frame.head(rows).sample(frac=1, random_state=len(label)).head(users).to_parquet(evaluation / "per_user.parquet")
    write_json(evaluation / "metrics.json", {"test": {"coverage@20": coverage}, "test_digest": digest})
    for file in evaluation.iterdir():
        run.attach(file, "evaluation")
    write_json(evaluation / "audit", {"verdict": audit, "checks": [{"name": "overlap", "verdict": audit}]})
    run.attach(evaluation / "audit", AUDIT.rpartition("/")[0])
    write_json(evaluation / "report.json", {"data": {"drift": {"verdict": drift, "checks": []}}})
    run.attach(evaluation / "report.json", "report")

    def write(target, _model_id):
        target.mkdir()
        (target / "model.txt").write_text(label)
        return {SHA256: digest_folder(target)}

    version = register(store, "shop", log_model(experiment, run.run_id, "shop", write), label)
    return appoint(store, "shop", int(version.version)).version


def decide(store, version=None, margin=0.0, metric="ndcg@20", *, force=False, **rule):
    return promote_model(store, "shop", version, Promotion(metric=metric, margin=margin, **rule), force=force)


def tags(store, version):
    found = store.client.get_model_version("shop", str(version)).tags
    return {key.rpartition(".")[2]: value for key, value in found.items() if ".promotion." in key}


def test_the_better_is_promoted_with_evidence_and_rolled_back(store, tmp_path):
    add(store, tmp_path, "first")
    add(store, tmp_path, "second", gain=0.1)
    made = decide(store)
    assert (made.version, made.aliases) == (2, ("challenger", "champion"))
    assert aliases(store, "shop") == {"challenger": 2, "champion": 2, "previous": 1}
    assert (tags(store, 2)["decision"], tags(store, 2)["against"]) == ("promoted", "1")
    assert tags(store, 2)["test_digest"] == "a" * 64
    assert tags(store, 2)["evidence"].startswith("ok: ndcg@20 +0.")
    assert [tags(store, 2)[name] for name in ("drift", "leakage", "coverage")] == ["ok: ok", "ok: ok", "ok: coverage@20 0.5000"]
    assert rollback_model(store, "shop").version == 1
    assert aliases(store, "shop") == {"challenger": 2, "champion": 1, "previous": 2}
    assert [tags(store, version)["decision"] for version in (1, 2)] == ["restored", "rolled back"]
    assert "evidence" not in tags(store, 2)
    assert rollback_model(store, "shop").version == 2, "a second rollback undoes the first"
    assert [tags(store, version)["decision"] for version in (1, 2)] == ["rolled back", "restored"]


@pytest.mark.parametrize(("gain", "margin"), [(-0.1, 0.0), (0.001, 0.0), (0.1, 0.2)], ids=["worse", "unsure", "by too little"])
def test_what_is_not_better_is_kept_back_and_said_so(store, tmp_path, gain, margin):
    add(store, tmp_path, "first")
    add(store, tmp_path, "second", gain=gain)
    with pytest.raises(Refused, match=r"version 2 does not replace 1: difference: ndcg@20 .* over 600 users is not above \+0"):
        decide(store, margin=margin)
    assert aliases(store, "shop") == {"challenger": 2, "champion": 1}
    assert tags(store, 2)["decision"] == "kept back"
    assert decide(store, margin=margin, force=True).version == 2
    assert (tags(store, 2)["decision"], tags(store, 2)["forced"]) == ("promoted", "yes")


def test_only_the_same_test_part_and_users_can_be_compared(store, tmp_path):
    add(store, tmp_path, "first")
    add(store, tmp_path, "other", gain=0.1, digest="b" * 64)
    with pytest.raises(Refused, match=f"{'b' * 64} and {'a' * 64}"):
        decide(store)
    add(store, tmp_path, "fewer", gain=0.1, users=10)
    with pytest.raises(Refused, match="different users"):
        decide(store)
    with pytest.raises(Refused, match="did you mean 'ndcg@20'"):
        decide(store, version=add(store, tmp_path, "third", gain=0.1), metric="ndcg@2")
    assert aliases(store, "shop")["champion"] == 1
    assert decide(store, version=2, force=True).version == 2
    assert "different test parts" in tags(store, 2)["evidence"]


@pytest.mark.parametrize(
    ("planted", "rule", "gate"),
    [
        ({"audit": "leak"}, {}, r"leakage: leak \(overlap\)"),
        ({"drift": "drift"}, {"drift": "block"}, "drift: drift"),
        ({"coverage": 0.1}, {"coverage": 0.2}, r"coverage: coverage@20 0\.1000"),
    ],
    ids=["a leak", "drift", "too few items"],
)
def test_a_better_version_is_kept_back_by_any_other_gate(store, tmp_path, planted, rule, gate):
    add(store, tmp_path, "first")
    add(store, tmp_path, "second", gain=0.1, **planted)
    with pytest.raises(Refused, match=f"version 2 does not replace 1: {gate}$"):
        decide(store, **rule)
    assert (aliases(store, "shop"), tags(store, 2)["decision"]) == ({"challenger": 2, "champion": 1}, "kept back")
    run_id = store.client.get_model_version("shop", "2").run_id
    kept = json.loads(Path(store.client.download_artifacts(run_id, "promotion/decision.json", str(tmp_path))).read_text())
    assert (kept["outcome"], kept["champion_before"]) == ("kept back", 1)
    assert [each["name"] for each in kept["gates"] if each["verdict"] == "blocked"] == [gate.partition(":")[0]]


def test_a_metric_that_does_not_say_who_is_better_promotes_nobody(store, tmp_path):
    add(store, tmp_path, "first")
    add(store, tmp_path, "second", gain=0.1)
    for metric, why in {
        "gini@20": "nothing to choose by: less of it is better",
        "novelty@20": "nothing to choose by: it is undecided",
        "coverage@20": "one number of all lists together",
        "ndcg_s100@20": "among sampled negatives",
        "": "no '' in recsys_cl.evaluation.metrics",
        "ndgc@20": "did you mean 'ndcg'",
        "ndcg@all": "called NAME@DEPTH",
    }.items():
        for version in (1, 2):  # the champion itself, too
            with pytest.raises(Refused, match=f"^--metric: .*{re.escape(why)}"):
                decide(store, version, metric=metric, force=True)
    assert aliases(store, "shop") == {"challenger": 2, "champion": 1}


def test_few_users_promote_nobody_and_it_is_said(store, tmp_path):
    add(store, tmp_path, "first", rows=52)
    add(store, tmp_path, "second", gain=0.1, rows=52)
    with pytest.raises(Refused, match=r"version 2 does not replace 1: difference: ndcg@20 \+0\.\d+: 52 users, too few to say$"):
        decide(store)
    assert decide(store, force=True).version == 2


def test_drift_only_warns_unless_it_is_said_to_block(store, tmp_path):
    add(store, tmp_path, "first")
    add(store, tmp_path, "second", gain=0.1, drift="drift")
    assert decide(store).version == 2
    assert tags(store, 2)["drift"] == "warning: drift"


def test_a_changed_model_is_not_promoted_even_by_force(store, tmp_path):
    add(store, tmp_path, "first")
    add(store, tmp_path, "second", gain=0.1)
    [file] = [f for f in (tmp_path / "mlruns" / "artifacts").rglob("model.txt") if f.read_text() == "second"]
    file.write_text("another")
    with pytest.raises(Refused, match="damaged or changed"):
        decide(store, force=True)
    assert aliases(store, "shop")["champion"] == 1


def test_no_rollback_leads_to_a_changed_model(store, tmp_path):
    add(store, tmp_path, "first")
    add(store, tmp_path, "second", gain=0.1)
    decide(store)
    before = aliases(store, "shop"), tags(store, 2)
    [file] = [f for f in (tmp_path / "mlruns" / "artifacts").rglob("model.txt") if f.read_text() == "first"]
    file.write_text("another")
    with pytest.raises(Refused, match=r"version 1 cannot come back, the champion stays: .*damaged or changed"):
        rollback_model(store, "shop")
    file.unlink()
    file.parent.rmdir()
    with pytest.raises(Refused, match=r"version 1 cannot come back, the champion stays: .*its files are gone"):
        rollback_model(store, "shop")
    assert (aliases(store, "shop"), tags(store, 2), tags(store, 1)) == (*before, {})


def test_without_a_champion_a_leak_still_stops_a_version(store, tmp_path):
    add(store, tmp_path, "first", audit="leak")
    store.client.delete_registered_model_alias("shop", "champion")
    with pytest.raises(Refused, match=r"version 1 does not become champion: leakage: leak \(overlap\)$"):
        decide(store)
    assert (aliases(store, "shop"), tags(store, 1)["decision"]) == ({"challenger": 1}, "kept back")
    assert decide(store, force=True).aliases == ("challenger", "champion")
    assert (tags(store, 1)["against"], tags(store, 1)["forced"]) == ("nobody", "yes")


def test_a_decision_that_came_too_late_is_not_kept_as_a_promotion(store, tmp_path, monkeypatch):
    from recsys_cl.tracking import promotion

    add(store, tmp_path, "first")
    add(store, tmp_path, "second", gain=0.1)
    add(store, tmp_path, "third", gain=0.2)
    move = promotion.promote

    def overtaken(store, name, version, evidence, expected):
        monkeypatch.setattr(promotion, "promote", move)
        decide(store, version=2)
        return move(store, name, version, evidence, expected)

    monkeypatch.setattr(promotion, "promote", overtaken)
    with pytest.raises(Refused, match="became version 2 meanwhile"):
        decide(store, version=3)
    run_id = store.client.get_model_version("shop", "3").run_id
    kept = json.loads(Path(store.client.download_artifacts(run_id, "promotion/decision.json", str(tmp_path))).read_text())
    assert (kept["outcome"], kept["champion_before"]) == ("kept back", 1)
    assert "became version 2 meanwhile" in kept["refused"]


def test_a_decision_against_a_champion_of_yesterday_is_refused(store, tmp_path):
    add(store, tmp_path, "first")
    add(store, tmp_path, "second", gain=0.1)
    decide(store)
    with pytest.raises(Refused, match="became version 2 meanwhile"):
        promote(store, "shop", 1, {}, expected=1)


def test_what_is_not_there_is_refused(store, tmp_path):
    add(store, tmp_path, "first")
    with pytest.raises(Refused, match="did you mean 'shop'"):
        promote_model(store, "shp", None, Promotion(metric="ndcg@20"))
    with pytest.raises(Refused, match="no version 9"):
        decide(store, version=9)
    with pytest.raises(Refused, match="nothing to go back to"):
        rollback_model(store, "shop")
    with pytest.raises(Refused, match="there is no store"):
        open_known(tmp_path / "elsewhere")
    assert not (tmp_path / "elsewhere").exists()
    with pytest.raises(Refused, match="did you mean 'planted'"):
        reap(store, "planed")


def test_the_champion_promoted_again_keeps_whom_it_replaced_and_why(store, tmp_path):
    add(store, tmp_path, "first")
    add(store, tmp_path, "second", gain=0.1)
    decide(store)
    before = aliases(store, "shop"), tags(store, 2)
    assert decide(store).version == 2
    assert (aliases(store, "shop"), tags(store, 2)) == before


def test_the_catalogue_lists_versions_newest_first(store, tmp_path):
    add(store, tmp_path, "first")
    add(store, tmp_path, "second", gain=0.1)
    decide(store)
    found = [(row["version"], row["aliases"], row["decision"]) for row in catalogue(store)]
    assert found == [(2, ["challenger", "champion"], "promoted"), (1, ["previous"], "")]


def decided(store, folder, version, label):
    """What the stage says of a version whose run is called ``label``, and its decision as the stage keeps it."""
    write_json(folder / "registration", {"name": "shop", "version": version, "recipe": label})
    write_json(folder / "data_report", {"drift": {"verdict": "ok", "checks": []}})
    reads = {name: folder / name for name in ("registration", "data_report")}
    reads |= {"audit": folder / label / "audit", f"evaluation/{label}": folder / label}
    stage = PromoteStage((label,), Promotion(metric="ndcg@20"), Evaluation(), Tracking("planted", folder))
    job = Job(reads, folder / f"scratch-{label}-{len(list(folder.iterdir()))}", "f" * 64)
    job.scratch.mkdir()
    stage.run(job)
    made = {"promotion": job.out("promotion")}
    return stage, made, json.loads(made["promotion"].read_text())


def test_a_decision_stands_until_the_champion_is_another(store, tmp_path, monkeypatch):
    monkeypatch.setattr(stages_promote, "registered", lambda *_: None)  # a planted model holds no bundle
    for label, gain in (("first", 0.0), ("better", 0.1), ("middle", 0.05)):
        add(store, tmp_path, label, gain=gain)
    stage, made, found = decided(store, tmp_path, 2, "better")
    assert (found["outcome"], stage.stands(made)) == ("promoted", True)
    back, kept, found = decided(store, tmp_path, 3, "middle")
    assert (found["outcome"], found["champion_before"], back.stands(kept)) == ("kept back", 2, True)

    rollback_model(store, "shop")
    assert not stage.stands(made)
    stage, made, found = decided(store, tmp_path, 2, "better")
    assert (found["outcome"], found["why"], stage.stands(made)) == ("unchanged", "was rolled back", True)
    assert summary_of(found) == (
        "version 2 unchanged: it was rolled back; `recsys-cl promote --model shop --version 2` brings it back"
    )
    assert not back.stands(kept), "there is a weaker champion now"
    back, kept, found = decided(store, tmp_path, 3, "middle")
    assert (found["outcome"], found["champion_before"], back.stands(kept)) == ("promoted", 1, True)

    decide(store, version=2)
    assert [stage.stands(made), back.stands(kept)] == [False, False]
    _, made, found = decided(store, tmp_path, 2, "better")
    assert (found["why"], summary_of(found)) == ("is the champion", "version 2 unchanged: it is the champion")


def test_without_a_champion_a_run_appoints_one_that_passes(store, tmp_path, monkeypatch):
    monkeypatch.setattr(stages_promote, "registered", lambda *_: None)  # a planted model holds no bundle
    for version, label, audit, outcome in ((1, "first", "leak", "kept back"), (2, "second", "ok", "promoted")):
        add(store, tmp_path, label, audit=audit)
        store.client.delete_registered_model_alias("shop", "champion")
        assert decided(store, tmp_path, version, label)[2]["outcome"] == outcome
    assert aliases(store, "shop") == {"challenger": 2, "champion": 2}


def test_reaping_closes_what_is_gone_and_nothing_alive(store):
    experiment = open_experiment(store, "planted")
    gone, alive = (store.client.create_run(experiment.id).info.run_id for _ in range(2))
    store.client.set_tag(gone, PROCESS, f"{socket.gethostname()}/1/1")
    store.client.set_tag(alive, PROCESS, here())
    assert reap(store) == [gone]
    assert store.client.get_run(gone).info.status == "KILLED"
    assert store.client.get_run(alive).info.status == "RUNNING"
    MlflowTracker(store, alive).finish()
