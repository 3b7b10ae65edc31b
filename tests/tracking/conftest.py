import shutil
from pathlib import Path

import pytest

from recsys_cl.tracking.store import Store, open_store

MLFLOW_WARNINGS = "ignore:The ``noload`` loader strategy is deprecated:DeprecationWarning"  # raised on importing MLflow's store


def pytest_collection_modifyitems(items):
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.filterwarnings(MLFLOW_WARNINGS))


@pytest.fixture(autouse=True)
def no_address(monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)


@pytest.fixture(scope="session")
def created(tmp_path_factory) -> Path:
    """The folder of a store that is made once; tests that need their own take a copy."""
    root = tmp_path_factory.mktemp("template")
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        open_store(root)
    return root / "mlruns"


@pytest.fixture
def store(created, tmp_path) -> Store:
    shutil.copytree(created, tmp_path / "mlruns")
    return open_store(tmp_path)
