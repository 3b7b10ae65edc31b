"""A shop's nights under Dagster: the log of a day comes in, the model is made anew, and only the better one answers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from recsys_cl.stages.pipeline import run_pipeline

dagster = pytest.importorskip("dagster", reason="the extra 'schedule' is not installed: no Dagster to run under")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(900),  # three whole pipelines
    pytest.mark.filterwarnings("ignore::DeprecationWarning:dagster"),
    pytest.mark.filterwarnings("ignore::dagster_shared.utils.warnings.BetaWarning"),
    pytest.mark.filterwarnings("ignore::dagster_shared.utils.warnings.PreviewWarning"),
]

PIPELINE = """
name = "night-shop"

[ingest.source]
use = "dataset"
path = "{root}/shop"

[prepare]
split = {{ use = "time" }}

[evaluation]
metrics = ["ndcg", "coverage"]
ks = [10, 20]

[registry]
metric = "ndcg@10"

[promotion]
automatic = true
coverage = 0.1
latency_ms = 2000

[schedule]
cron = "30 2 * * *"
retries = 1
backoff_seconds = 0

[schedule.append]
input = "{root}/logs/{{day}}.csv"
since = "2026-11-01"

[[experiments]]
recipe = "mf-bpr"
set.encoder.dim = 16
set.source.batch_size = 64
set.training = {{ epochs = {epochs}, learning_rate = 2e-2, patience = 20, select = "ndcg@10" }}
"""
USERS, ITEMS = 80, 80


def write_day(root: Path, day: str, pairs: int, *, planted: bool) -> None:
    """Events of one day: at random, or planted: each user meets only items of their own half."""
    rng = np.random.default_rng(int(day[-2:]))
    users = rng.integers(USERS, size=pairs)
    items = rng.integers(ITEMS, size=pairs)
    if planted:
        items = items % (ITEMS // 2) + (users % 2) * (ITEMS // 2)
    seconds = np.sort(rng.integers(86_400, size=pairs))
    times = pd.Timestamp(day, tz="UTC") + pd.to_timedelta(seconds, unit="s")
    frame = pd.DataFrame({"user_id": [f"u{u}" for u in users], "item_id": [f"i{i}" for i in items], "timestamp": times})
    frame.assign(timestamp=times.astype("int64") // 10**9 if times.unit == "ns" else times.as_unit("s").astype("int64")).to_csv(
        root / "logs" / f"{day}.csv", index=False
    )


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shop")
    (folder / "logs").mkdir()
    (folder / "pipelines").mkdir()
    return folder


def night(root: Path, day: str, epochs: int = 12) -> Any:
    """What the tick after ``day`` does."""
    from recsys_cl.orchestration.folder import definitions

    (root / "pipelines" / "shop.toml").write_text(PIPELINE.format(root=root, epochs=epochs))
    defs = definitions(root / "pipelines", root / "data", f"sqlite:///{root}/mlruns/mlflow.db")
    return defs.resolve_job_def("night_shop").execute_in_process(partition_key=day, raise_on_error=True)


def decision(result: Any) -> dict[str, Any]:
    [event] = [e for e in result.get_asset_materialization_events() if e.asset_key.path[-1] == "promote"]
    folder = Path(event.materialization.metadata["folder"].value)
    return dict(json.loads((folder / "promotion").read_text()))


def passed(result: Any) -> dict[str, bool]:
    return {check.check_name: check.passed for check in result.get_asset_check_evaluations()}


def test_three_nights(root: Path) -> None:
    from recsys_cl.tracking.promotion import aliases
    from recsys_cl.tracking.store import open_known

    uri = f"sqlite:///{root}/mlruns/mlflow.db"
    write_day(root, "2026-11-01", 500, planted=False)
    first = night(root, "2026-11-01")
    assert passed(first) == {"data_contract": True, "no_leakage": True, "beats_champion": True}
    assert decision(first)["outcome"] == "unchanged", "the first version ever is the champion already"

    write_day(root, "2026-11-02", 1600, planted=True)
    second = decision(night(root, "2026-11-02"))
    assert (second["outcome"], second["champion_before"], second["remeasured"]) == ("promoted", 1, "yes")
    assert [gate["name"] for gate in second["gates"]] == ["difference", "drift", "leakage", "coverage", "latency"]

    write_day(root, "2026-11-03", 400, planted=True)
    third = night(root, "2026-11-03", epochs=1)  # the planted regression: somebody's typing error
    assert decision(third)["outcome"] == "kept back"
    assert next(gate["name"] for gate in decision(third)["gates"] if gate["verdict"] == "blocked") == "difference"
    assert passed(third)["beats_champion"] is False
    assert aliases(open_known(root, uri), "night-shop") == {"challenger": 3, "champion": 2, "previous": 1}

    statuses: dict[str, str] = {}
    plain = run_pipeline(root / "pipelines" / "shop.toml", (), root / "data", uri, lambda *_: None, once=True)
    statuses = {name: status for name, status, _ in plain.stages}
    assert set(statuses.values()) == {"skipped"}, "the plain runner asks for the same artifacts and finds them made"
    assert plain.promotion is not None
    assert plain.promotion["outcome"] == "kept back"
    assert any(line.startswith("promote version 3 kept back: difference") for line in plain.places())
