"""A data set whose second version differs from its first: the report of a pipeline that reads it says by how much."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from recsys_cl.ingest.versions.append import Request, append
from recsys_cl.ingest.versions.inputs import find
from recsys_cl.ingest.versions.options import settings
from recsys_cl.stages.pipeline import run_pipeline

DAY = 86_400
PIPELINE = """
name = "grown"
[ingest.source]
use = "dataset"
path = "{folder}/set"
[prepare]
split = {{ use = "leave_last_out" }}
[[experiments]]
recipe = "mf-bpr"
set.training = {{ epochs = 1 }}
"""


def log(path: Path, day: int, items: range) -> Path:
    chance = random.Random(day)
    rows = [(chance.randrange(60), chance.choice(items), 1_700_000_000 + day * DAY + chance.randrange(DAY)) for _ in range(400)]
    path.write_text("user_id,item_id,timestamp\n" + "".join(f"u{user},i{item},{time}\n" for user, item, time in rows))
    return path


def add(folder: Path, *logs: Path) -> None:
    chosen = settings({"threads": 1})
    append(folder / "set", Request(find([str(log) for log in logs], "auto", {}, chosen), {}, chosen), lambda _: None)


@pytest.mark.slow
def test_drift_against_the_version_before_stands_in_the_page(tmp_path: Path) -> None:
    add(tmp_path, *(log(tmp_path / f"{day}.csv", day, range(40)) for day in range(3)))
    add(tmp_path, log(tmp_path / "3.csv", 3, range(1000, 1040)))  # nothing that was there before
    recipe = tmp_path / "grown.toml"
    recipe.write_text(PIPELINE.format(folder=tmp_path))
    result = run_pipeline(
        recipe, (), tmp_path / "data", f"sqlite:///{tmp_path}/mlruns/mlflow.db", lambda *_: None, until="report"
    )
    assert result.report is not None
    page = result.report.read_text("utf-8")
    assert "Drift: drift" in page
    assert "unknown items" in page
