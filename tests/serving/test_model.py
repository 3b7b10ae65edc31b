import re
import subprocess
import sys

import pandas as pd
import pytest

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

    with pytest.raises(MlflowException, match="user_id"):
        model.predict(pd.DataFrame({"user": ["u001"]}))


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
    pinned = [line for line in requirements() if not line.startswith("recsys_cl")]
    assert all(re.fullmatch(r"[a-z_]+==[0-9][0-9.]*", line) for line in pinned)
    assert {line.split("==")[0] for line in pinned} >= {"mlflow", "torch", "safetensors", "pyarrow", "pandas", "numpy"}
