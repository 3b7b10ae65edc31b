import dataclasses
import json
import os
import signal
from pathlib import Path

import pytest

from recsys_cl.core.errors import Diverged, Unavailable
from recsys_cl.core.files import digest_json
from recsys_cl.tracking.experiment import PROCESS, open_experiment
from recsys_cl.tracking.process import gone, here
from recsys_cl.tracking.run import MESSAGE
from tests.warm import python

KILLED = """
import os, signal, sys
from pathlib import Path
from recsys_cl.tracking.experiment import open_experiment
from recsys_cl.tracking.store import open_store

with open_experiment(open_store(Path(sys.argv[1])), "demo").training("f", "recipe") as tracker:
    tracker.note({"epochs": "2"})
    tracker.log({"loss": 3.0}, 1)
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def experiment(store):
    return open_experiment(store, "demo")


def history(store, run_id, key):
    return [(m.step, m.value) for m in store.client.get_metric_history(run_id, key)]


def only_run(experiment):
    runs = experiment.store.client.search_runs([experiment.id])
    assert len(runs) == 1
    return runs[0]


def tell(tracker):
    tracker.note({"epochs": "2"})
    tracker.log({"loss": 3.0, "valid/recall@20": 0.5}, 1)
    tracker.log({"loss": 2.0, "valid/recall@20": 0.6}, 2)


def test_a_training_becomes_a_finished_run(experiment):
    with experiment.training("f", "recipe", {"seed": "7"}) as tracker:
        tell(tracker)
    run = only_run(experiment)
    assert (run.info.status, run.info.run_name) == ("FINISHED", "recipe")
    assert run.data.params == {"epochs": "2"}
    assert run.data.tags["seed"] == "7"
    assert history(experiment.store, run.info.run_id, "valid/recall_at_20") == [(1, 0.5), (2, 0.6)]
    assert run.data.metrics["system/process_memory_megabytes"] > 0


def test_telling_it_twice_changes_nothing(experiment):
    for _ in range(2):
        with experiment.training("f", "recipe") as tracker:
            tell(tracker)
    run = only_run(experiment)
    assert history(experiment.store, run.info.run_id, "loss") == [(1, 3.0), (2, 2.0)]


def test_another_fingerprint_is_another_run(experiment):
    ids = {experiment.ensure(fingerprint, "recipe", tell).run_id for fingerprint in ("f", "g", "f")}
    assert len(ids) == 2


@pytest.mark.parametrize(
    ("error", "status", "message"),
    [
        (Diverged("loss/bpr is nan at step 3"), "FAILED", "loss/bpr is nan at step 3"),
        (ValueError("odd"), "FAILED", "ValueError: odd"),
        (KeyboardInterrupt(), "KILLED", "KeyboardInterrupt: "),
    ],
)
def test_how_the_block_ends_is_how_the_run_ends(experiment, error, status, message):
    with pytest.raises(type(error)), experiment.training("f", "recipe"):
        raise error
    run = only_run(experiment)
    assert (run.info.status, run.data.tags[MESSAGE]) == (status, message)


def test_a_failed_run_is_taken_up_again(experiment):
    def fail():
        with experiment.training("f", "recipe") as tracker:
            tracker.log({"loss": 3.0}, 1)
            raise ValueError("odd")

    with pytest.raises(ValueError, match="odd"):
        fail()
    with experiment.training("f", "recipe") as tracker:
        tell(tracker)
    run = only_run(experiment)
    assert (run.info.status, run.data.tags[MESSAGE]) == ("FINISHED", "")
    assert history(experiment.store, run.info.run_id, "loss") == [(1, 3.0), (2, 2.0)]


@pytest.mark.slow
def test_a_killed_run_does_not_stay_running_and_is_continued(store, tmp_path, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    killed = python(KILLED, tmp_path)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    experiment = open_experiment(store, "demo")
    assert only_run(experiment).info.status == "KILLED"
    experiment.ensure("f", "recipe", tell)
    run = only_run(experiment)
    assert run.info.status == "FINISHED"
    assert history(store, run.info.run_id, "loss") == [(1, 3.0), (2, 2.0)]


def test_a_run_of_a_living_process_is_left_alone(experiment):
    with experiment.training("f", "recipe"):
        run = only_run(experiment)
        elsewhere = f"another-host/{os.getpid()}/0"
        experiment.store.client.set_tag(run.info.run_id, PROCESS, elsewhere)
        assert experiment.close_abandoned() == []
        assert experiment.ensure("f", "recipe", tell).run_id != run.info.run_id


def test_a_process_knows_who_is_gone():
    host, pid, started = here().split("/")
    assert not gone(here())
    assert gone(f"{host}/{pid}/{int(started) - 1000}")
    assert gone(f"{host}/{2**22 + 1}/{started}")
    assert not gone(f"not-{host}/{pid}/0")
    assert not gone("")


def test_no_number_that_is_not_finite(experiment):
    with pytest.raises(Diverged, match="loss at step 4 is nan"), experiment.training("f", "recipe") as tracker:
        tracker.log({"loss": float("nan")}, 4)
    assert only_run(experiment).info.status == "FAILED"


def test_a_long_parameter_is_kept_whole(experiment):
    value = "x" * 10_000
    tracker = experiment.ensure("f", "recipe", lambda t: t.note({"recipe": value}))
    assert only_run(experiment).data.params["recipe"].startswith("sha256:")
    path = experiment.store.client.download_artifacts(tracker.run_id, "notes/recipe.json")
    assert json.loads(Path(path).read_text()) == {"recipe": value}


def test_a_changed_fact_of_a_resumed_run_is_kept_beside_the_first(experiment):
    tracker = experiment.ensure("f", "recipe", lambda t: t.note({"device": "cpu"}))
    tracker.note({"device": "cuda"})
    run = only_run(experiment)
    assert run.data.params == {"device": "cpu"}
    assert run.data.tags["resumed.device"] == "cuda"


def test_what_a_run_reads_is_an_input_with_our_digest(experiment):
    tracker = experiment.ensure("f", "recipe", tell)
    for _ in range(2):
        tracker.reads([{"name": "demo", "digest": "ab" * 32, "context": "train", "source": "data/train.parquet"}])
    [given] = only_run(experiment).inputs.dataset_inputs
    assert (given.dataset.name, given.dataset.digest, given.tags[0].value) == ("demo", "ab" * 16, "train")


def test_a_store_that_fails_never_costs_a_training(experiment, monkeypatch, caplog):
    def fail(*_, **__):
        raise OSError("connection lost")

    with experiment.training("f", "recipe") as tracker:
        monkeypatch.setattr(type(experiment.store.client), "log_batch", fail)
        tell(tracker)
        monkeypatch.undo()
    assert "connection lost" in caplog.text
    assert only_run(experiment).info.status == "FAILED"
    experiment.ensure("f", "recipe", tell)
    assert only_run(experiment).info.status == "FINISHED"


def test_a_store_that_is_not_there_is_unavailable(experiment, monkeypatch):
    def fail(*_, **__):
        raise OSError("no route")

    monkeypatch.setattr(type(experiment.store.client), "search_runs", fail)
    with pytest.raises(Unavailable, match="no route"):
        experiment.find("f")


class Counting:
    """A client that counts what it is asked."""

    def __init__(self, client):
        self.client, self.asked = client, []

    def __getattr__(self, name):
        def call(*arguments, **options):
            self.asked.append((name, {key: len(value) for key, value in options.items() if isinstance(value, list)}))
            return getattr(self.client, name)(*arguments, **options)

        return call


def test_what_is_told_at_once_is_sent_at_once(experiment):
    """MLflow takes 100 parameters or 1,000 metrics in one request; no metric or parameter travels alone."""
    tracker = experiment.ensure("f", "recipe", lambda _: None)
    counting = Counting(tracker.store.client)
    tracker.store = dataclasses.replace(tracker.store, client=counting)
    tracker.log({f"metric/{n}": float(n) for n in range(1500)}, 1)
    tracker.note({f"key.{n}": str(n) for n in range(150)})
    assert [each for each in counting.asked if each[0] != "log_batch" or each[1] != {"tags": 0}] == [
        ("log_batch", {"metrics": 1000}),
        ("log_batch", {"metrics": 500}),
        ("log_batch", {"params": 100}),
        ("log_batch", {"params": 50}),
    ]
    run = only_run(experiment)
    assert run.data.metrics["metric/1499"] == 1499.0
    assert len(run.data.params) == 150


@pytest.mark.parametrize("length", [500, 501, 6000, 6001])
def test_no_parameter_is_cut_silently_at_any_length(experiment, length):
    """MLflow itself cuts at 6,000 without a word; what is shorter than ours is kept as it is."""
    value = "".join(chr(97 + n % 26) for n in range(length))
    experiment.ensure("f", "recipe", lambda t: t.note({"recipe": value}))
    run = only_run(experiment)
    if length <= 500:
        assert run.data.params["recipe"] == value
    else:
        path = experiment.store.client.download_artifacts(run.info.run_id, "notes/recipe.json")
        assert json.loads(Path(path).read_text()) == {"recipe": value}
        assert run.data.params["recipe"] == f"sha256:{digest_json(value)} (notes/recipe.json)"
