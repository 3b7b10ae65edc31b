"""Runs that keep an evaluation, and their files brought to disk."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recsys_cl.core.errors import Refused
from recsys_cl.tracking.store import Store

KEPT = "evaluation/metrics.json"
PARENT = "mlflow.parentRunId"


@dataclass(frozen=True, slots=True)
class EvaluatedRun:
    """One run that was measured on a test part."""

    id: str
    name: str
    experiment: str


def evaluated_runs(store: Store, run_id: str) -> list[EvaluatedRun]:
    """The run itself where it keeps an evaluation, or else those of its children that do, first started first.

    Raises:
        Refused: there is no such run, or neither it nor a child of it keeps an evaluation.
    """
    run = _run(store, run_id)
    with store.explained():
        experiment = str(store.client.get_experiment(run.info.experiment_id).name)
        children = store.client.search_runs(
            [run.info.experiment_id], f"tags.`{PARENT}` = '{run.info.run_id}'", order_by=["attributes.start_time ASC"]
        )
        meant = [each for each in (run, *children) if _keeps(store, each.info.run_id)]
    if not meant:
        raise Refused(f"run {run_id} keeps no {KEPT}, nor does any of its {len(children)} children; run its pipeline again")
    chosen = meant[:1] if meant[0] is run else meant
    return [EvaluatedRun(one.info.run_id, str(one.info.run_name), experiment) for one in chosen]


def fetch(store: Store, run: EvaluatedRun, folder: str, scratch: Path) -> Path | None:
    """The run's artifacts under ``folder``, below ``scratch``; None where it keeps none."""
    with store.explained():
        if not store.client.list_artifacts(run.id, folder):
            return None
        into = scratch / run.id
        into.mkdir(parents=True, exist_ok=True)
        return Path(store.client.download_artifacts(run.id, folder, str(into)))


def _keeps(store: Store, run_id: str) -> bool:
    return KEPT in {found.path for found in store.client.list_artifacts(run_id, "evaluation")}


def _run(store: Store, run_id: str) -> Any:
    from mlflow.exceptions import MlflowException

    with store.explained():
        try:
            return store.client.get_run(run_id)
        except MlflowException as error:
            if error.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
                raise Refused(
                    f"no run '{run_id}' in {store.name}; recsys-cl report takes run ids and evaluation folders"
                ) from error
            raise
