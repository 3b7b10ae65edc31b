import json
import os
import re
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path
from threading import Event

import pandas as pd
import pytest

from recsys_cl.core.version import VERSION
from recsys_cl.serving.answer import recommend
from recsys_cl.serving.package import requirements


@pytest.fixture(scope="module")
def model(model_folder):
    from mlflow.pyfunc import load_model

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_ALLOW_PICKLE_DESERIALIZATION", "false")
        return load_model(str(model_folder))


def test_predicts_what_the_bundle_answers(model, bundle):
    asked = ["u003", "nobody", "u001"]
    predicted = model.predict(pd.DataFrame({"user_id": asked}), params={"k": 4})
    pd.testing.assert_frame_equal(predicted, recommend(bundle, asked, 4).to_pandas())
    assert list(predicted.columns) == ["user_id", "rank", "item_id", "score", "source"]


def test_lists_have_ten_items_unless_asked_otherwise(model):
    assert model.predict(pd.DataFrame({"user_id": ["nobody"]}))["rank"].tolist() == list(range(1, 11))


@pytest.mark.parametrize("k", [0, -1, 31, 10**9])
def test_a_wrong_k_is_one_sentence(model, k):
    from mlflow.exceptions import MlflowException

    with pytest.raises(MlflowException, match="k must be a whole number from 1 to 30") as caught:
        model.predict(pd.DataFrame({"user_id": ["u001"]}), params={"k": k})
    assert caught.value.error_code == "INVALID_PARAMETER_VALUE"


def test_a_wrong_column_is_refused_by_the_signature(model):
    from mlflow.exceptions import MlflowException

    with pytest.raises(
        MlflowException, match=r"needs a column user_id \(text\), item_ids \(lists of texts, oldest first\) or both"
    ):
        model.predict(pd.DataFrame({"user": ["u001"]}))


@pytest.mark.parametrize("missing", [None, float("nan"), pd.NA])
def test_who_has_neither_an_id_nor_a_history_is_refused(model, missing):
    from mlflow.exceptions import MlflowException

    with pytest.raises(MlflowException, match="asker 1: empty user_id: there is neither an id nor a history"):
        model.predict(pd.DataFrame({"user_id": ["u001", missing]}))


def test_the_folder_holds_no_pickle(model_folder):
    names = {path.name for path in model_folder.rglob("*") if path.is_file()}
    assert {"MLmodel", "model.py", "requirements.txt", "input_example.json", "manifest.json"} <= names
    assert not [name for name in names if re.search(r"\.(pkl|pickle|pt|pt2|pth|joblib|npy)$", name)]


def test_loading_unpickles_nothing(model_folder):
    script = """
        import pickle, sys
        def refuse(*_, **__): raise AssertionError("unpickled")
        import mlflow.pyfunc, cloudpickle, pandas, torch
        pickle.load = pickle.loads = pickle.Unpickler = refuse
        cloudpickle.load = cloudpickle.loads = refuse
        model = mlflow.pyfunc.load_model(sys.argv[1])
        assert len(model.predict(pandas.DataFrame({"user_id": ["u001"]}), params={"k": 3})) == 3
    """
    script = "\n".join(line.strip() for line in script.splitlines()).replace(
        "refuse(*_, **__): raise", "refuse(*_, **__): raise"
    )
    done = subprocess.run([sys.executable, "-c", script, str(model_folder)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_requirements_are_pinned():
    pinned = requirements()
    assert f"recsys_cl=={VERSION}" in pinned, "from a source tree, too"
    assert all(re.fullmatch(r"[a-z_]+==[0-9][0-9.]*", line) for line in pinned)
    assert {line.split("==")[0] for line in pinned} >= {"mlflow", "torch", "safetensors", "pyarrow", "pandas", "numpy"}


@pytest.fixture(scope="module")
def served(model_folder, tmp_path_factory):
    """The address of `mlflow models serve` over the folder, as docs/serving.md starts it; as soon as it answers."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "mlflow", "models", "serve", "-m", str(model_folder), "--env-manager", "local"]
    bins = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"  # it looks for uvicorn there
    environment = {**os.environ, "PATH": bins, "PYTHONPATH": str(Path(__file__).parents[2]), "MLFLOW_DISABLE_TELEMETRY": "true"}
    log = tmp_path_factory.mktemp("served") / "log"
    with log.open("w") as stream:
        process = subprocess.Popen(
            [*command, "--port", str(port)], env=environment, stdout=stream, stderr=stream, start_new_session=True
        )
    try:
        for _ in range(1200):
            assert process.poll() is None, log.read_text()[-3000:]
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/ping", timeout=5).close()
                break
            except OSError:
                Event().wait(0.25)
        yield f"http://127.0.0.1:{port}/invocations"
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def invoked(address, body):
    request = urllib.request.Request(address, json.dumps(body).encode(), {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=60) as reply:
            return reply.status, json.load(reply)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_mlflow_serves_it_out_of_the_box(served, bundle):
    asked = ["u003", "nobody"]
    status, answer = invoked(served, {"dataframe_records": [{"user_id": user} for user in asked], "params": {"k": 4}})
    assert (status, answer["predictions"]) == (200, recommend(bundle, asked, 4).to_pylist())
    status, answer = invoked(served, {"dataframe_records": [{"user_id": "u003"}], "params": {"k": 0}})
    assert (status, "k must be a whole number from 1 to" in answer["message"], "Traceback" in str(answer)) == (400, True, False)
