from pathlib import Path

import pandas as pd
import pytest
import torch

from recsys_cl.core.values import Interactions, Shape
from recsys_cl.serving.bundle import Bundle, assemble
from recsys_cl.serving.package import write_model

MLFLOW_WARNINGS = (
    "ignore:The ``noload`` loader strategy is deprecated:DeprecationWarning",  # raised on importing MLflow's store
    "ignore:.*inferred as AnyType:UserWarning",  # raised on importing MLflow's pyfunc
    "ignore:Operation with range is deprecated",  # pandas 4's, raised where MLflow looks at an input example
)
USERS, ITEMS = 6, 30


def pytest_collection_modifyitems(items):
    for item in items:
        if Path(__file__).parent in item.path.parents:
            for warning in MLFLOW_WARNINGS:
                item.add_marker(pytest.mark.filterwarnings(warning))


@pytest.fixture(autouse=True)
def no_address(monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)


def make_bundle(meta=None, **vectors) -> Bundle:
    users, items = USERS, ITEMS
    rng = torch.Generator().manual_seed(3)
    shape = Shape(users, items)
    count = 4 * users
    known = Interactions(
        shape,
        torch.randint(users, (count,), generator=rng),
        torch.randint(items, (count,), generator=rng),
        torch.arange(count),
    )
    given = {"users": torch.randn(users, 4, generator=rng), "items": torch.randn(items, 4, generator=rng)} | vectors
    people = pd.DataFrame({"user_id": [f"u{i:03}" for i in range(users)]})
    things = pd.DataFrame({"item_id": [f"i{i:03}" for i in range(items)], "title": ["a title", None] * (items // 2)})
    return assemble(people, things, given, known, meta or {"recipe": "planted"})


@pytest.fixture(scope="session")
def bundle() -> Bundle:
    return make_bundle()


@pytest.fixture(scope="session")
def model_folder(bundle, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("model") / "model"
    write_model(bundle, folder)
    return folder


@pytest.fixture(scope="session")
def bundle_with():
    return make_bundle
