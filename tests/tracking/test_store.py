import signal
import textwrap

import pytest

from recsys_cl.core.errors import Refused, Unavailable
from recsys_cl.core.mlflow import without_credentials
from recsys_cl.tracking.store import open_store, peek_identity
from tests.warm import python, start

FIRST_USER = """
import sys
from pathlib import Path
from recsys_cl.tracking.experiment import open_experiment
from recsys_cl.tracking.store import open_store

experiment = open_experiment(open_store(Path(sys.argv[1])), "demo")
with experiment.training(f"fingerprint-{sys.argv[2]}", "recipe") as tracker:
    tracker.log({"loss": 1.0}, step=1)
"""


def test_lies_under_the_root(store, tmp_path):
    assert (tmp_path / "mlruns" / "mlflow.db").is_file()
    experiment = store.client.get_experiment(store.experiment_id("demo"))
    assert experiment.artifact_location == (tmp_path / "mlruns" / "artifacts" / "demo").as_uri()
    assert store.experiment_id("demo") == experiment.experiment_id


def test_takes_no_scratch_for_a_store(created):
    assert sorted(p.name for p in created.iterdir()) == [".lock", "mlflow.db"]


def test_the_environment_names_the_store_and_an_argument_wins(store, tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store.uri)
    assert open_store(tmp_path / "elsewhere").uri == store.uri
    assert not (tmp_path / "elsewhere").exists()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://example.invalid")
    assert open_store(tmp_path / "elsewhere", store.uri).uri == store.uri


def test_a_server_decides_about_artifacts(tmp_path):
    server = open_store(tmp_path, "http://example.invalid")
    assert server.folder is None
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("uri", ["mlruns", "./mlruns", "file:///tmp/mlruns", "/tmp/mlruns"])
def test_a_folder_is_no_store(tmp_path, uri):
    with pytest.raises(Refused, match="sqlite:///"):
        open_store(tmp_path, uri)


def test_a_place_that_cannot_be_written_is_unavailable(tmp_path):
    (tmp_path / "mlruns").write_text("a file where the folder belongs")
    with pytest.raises(Unavailable, match="mlruns"):
        open_store(tmp_path)


def test_a_file_that_is_no_database_is_unavailable(tmp_path):
    (tmp_path / "mlruns").mkdir()
    (tmp_path / "mlruns" / "mlflow.db").write_bytes(b"not a database" * 1000)
    with pytest.raises(Unavailable, match=r"mlflow\.db"):
        open_store(tmp_path)


def test_a_deleted_experiment_is_refused_with_the_remedy(store):
    store.client.delete_experiment(store.experiment_id("demo"))
    with pytest.raises(Refused, match="mlflow experiments restore"):
        store.experiment_id("demo")


def test_another_store_has_another_identity(store):
    before = store.identity("demo")
    store.experiment_id("demo")
    assert store.identity("demo") != before
    assert store.identity("demo") == store.identity("demo")


def test_a_peek_sees_the_same_identity_or_nothing(store, tmp_path):
    assert peek_identity(tmp_path, None, "demo") is None
    store.experiment_id("demo")
    assert peek_identity(tmp_path, None, "demo") == peek_identity(tmp_path, store.uri, "demo") == store.identity("demo")
    store.client.delete_experiment(store.experiment_id("demo"))
    assert peek_identity(tmp_path, None, "demo") is None
    assert peek_identity(tmp_path / "elsewhere", None, "demo") is None
    assert not (tmp_path / "elsewhere").exists()
    assert peek_identity(tmp_path, "http://example.invalid", "demo") is None
    (tmp_path / "text.db").write_text("no database")
    assert peek_identity(tmp_path, f"sqlite:///{tmp_path}/text.db", "demo") is None


def test_credentials_are_never_shown():
    uri = "postgresql+psycopg2://someone:hunter2@host:5432/mlflow"
    shown = without_credentials(uri)
    assert shown == "postgresql+psycopg2://host:5432/mlflow"
    assert "hunter2" not in without_credentials(f"cannot reach {uri}", uri)
    assert "hunter2" not in without_credentials("no password someone:hunter2", uri)


@pytest.mark.slow
def test_six_processes_come_first_and_all_finish(tmp_path, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    processes = [start(FIRST_USER, tmp_path, number) for number in range(6)]
    ends = [process.done() for process in processes]
    assert [end.returncode for end in ends] == [0] * 6, ends
    store = open_store(tmp_path)
    runs = store.client.search_runs([store.experiment_id("demo")])
    assert [run.info.status for run in runs] == ["FINISHED"] * 6


@pytest.mark.slow
@pytest.mark.parametrize("writes", [1, 50, 200])
def test_a_kill_during_creation_leaves_nothing_broken(tmp_path, monkeypatch, writes):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    # Killed by itself once the scratch database has seen so many statements: amid the migration.
    script = """
        import os, signal, sys
        from pathlib import Path
        from sqlalchemy import event
        from sqlalchemy.engine import Engine
        from recsys_cl.tracking.store import open_store

        left = int(sys.argv[2])

        @event.listens_for(Engine, "before_cursor_execute")
        def count(*_):
            global left
            left -= 1
            if left <= 0:
                os.kill(os.getpid(), signal.SIGKILL)

        open_store(Path(sys.argv[1]))
    """
    assert python(textwrap.dedent(script), tmp_path, writes).returncode == -signal.SIGKILL
    assert not (tmp_path / "mlruns" / "mlflow.db").exists()
    assert open_store(tmp_path).experiment_id("demo") == "1"
    assert sorted(p.name for p in (tmp_path / "mlruns").iterdir()) == [".lock", "mlflow.db"]
