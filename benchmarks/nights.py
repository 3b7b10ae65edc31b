"""Three nights of a shop under Dagster: ``python -m benchmarks.nights`` writes every decision to ``results/nights.json``.

The log of the first day is noise. That of the second holds a planted signal, so the model of the second night is better and
must be promoted. In the third night somebody has mistyped the number of epochs, and what comes of it must be kept back.
"""

from __future__ import annotations

import json
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.measure import keep

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
set.source.batch_size = 2048
set.training = {{ epochs = {epochs}, learning_rate = 2e-2, patience = 20, select = "ndcg@10" }}
"""
NIGHTS: tuple[dict[str, Any], ...] = (
    {"day": "2026-11-01", "pairs": 5000, "planted": False, "epochs": 12},
    {"day": "2026-11-02", "pairs": 16_000, "planted": True, "epochs": 12},
    {"day": "2026-11-03", "pairs": 4000, "planted": True, "epochs": 1},  # the planted regression
)
USERS, ITEMS = 800, 80


def write_day(folder: Path, day: str, pairs: int, *, planted: bool) -> None:
    """Write ``folder/DAY.csv``: events at random, or planted: each user meets only items of their own half."""
    rng = np.random.default_rng(int(day[-2:]))
    users = rng.integers(USERS, size=pairs)
    items = rng.integers(ITEMS, size=pairs)
    if planted:
        items = items % (ITEMS // 2) + (users % 2) * (ITEMS // 2)
    seconds = np.sort(rng.integers(86_400, size=pairs)) + int(pd.Timestamp(day, tz="UTC").timestamp())
    frame = pd.DataFrame({"user_id": [f"u{u}" for u in users], "item_id": [f"i{i}" for i in items], "timestamp": seconds})
    folder.mkdir(parents=True, exist_ok=True)
    frame.to_csv(folder / f"{day}.csv", index=False)


def store_of(root: Path) -> str:
    """The address of the runs and models of the shop in ``root``."""
    return f"sqlite:///{root}/mlruns/mlflow.db"


def write_pipeline(root: Path, epochs: int) -> Path:
    """Write the shop's settings; the file."""
    path = root / "pipelines" / "shop.toml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(PIPELINE.format(root=root, epochs=epochs))
    return path


def night(root: Path, day: str, pairs: int, epochs: int, *, planted: bool) -> dict[str, Any]:
    """What the tick after ``day`` does, with what Dagster and the registry say of it afterwards."""
    from dagster import DagsterInstance

    from recsys_cl.orchestration.folder import definitions
    from recsys_cl.tracking.promotion import aliases
    from recsys_cl.tracking.store import open_known

    write_day(root / "logs", day, pairs, planted=planted)
    uri = store_of(root)
    defs = definitions(write_pipeline(root, epochs).parent, root / "data", uri)
    (root / "dagster").mkdir(exist_ok=True)
    began = time.perf_counter()
    with DagsterInstance.local_temp(str(root / "dagster")) as instance:
        run = defs.resolve_job_def("night_shop").execute_in_process(instance=instance, partition_key=day, raise_on_error=False)
    made = {event.asset_key.path[-1]: event for event in run.get_asset_materialization_events()}
    return {
        "day": day,
        "events_appended": pairs,
        "planted_signal": planted,
        "epochs": epochs,
        "run": "SUCCESS" if run.success else "FAILURE",
        "seconds": round(time.perf_counter() - began, 1),
        "assets": sorted("/".join(event.asset_key.path) for event in made.values()),
        "checks": {check.check_name: check.passed for check in run.get_asset_check_evaluations()},
        "decision": _decision(made["promote"]),
        "aliases": aliases(open_known(root, uri), "night-shop"),
    }


def _decision(event: Any) -> dict[str, Any]:
    folder = Path(event.materialization.metadata["folder"].value)
    value: dict[str, Any] = json.loads((folder / "promotion").read_text("utf-8"))
    return value


def three_nights(root: Path) -> list[dict[str, Any]]:
    """All of `NIGHTS` in an empty folder."""
    return [night(root, **each) for each in NIGHTS]


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as scratch:
        keep("nights", {"command": "make bench-nights", "nights": three_nights(Path(scratch))})
