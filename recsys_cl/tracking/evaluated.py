"""Runs that keep an evaluation, and their files brought to disk."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recsys_cl.core.errors import Refused
from recsys_cl.tracking.store import Store

FOLDER = "evaluation"
KEPT = f"{FOLDER}/metrics.json"
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
    run = known_run(store, run_id)
    with store.explained():
        experiment = str(store.client.get_experiment(run.info.experiment_id).name)
        children = store.client.search_runs(
            [run.info.experiment_id], f"tags.`{PARENT}` = '{run.info.run_id}'", order_by=["attributes.start_time ASC"]
        )
        meant = [each for each in (run, *children) if KEPT in kept(store, each.info.run_id, FOLDER)]
    if not meant:
        raise Refused(f"run {run_id} keeps no {KEPT}, nor does any of its {len(children)} children; run its pipeline again")
    chosen = meant[:1] if meant[0] is run else meant
    return [EvaluatedRun(one.info.run_id, str(one.info.run_name), experiment) for one in chosen]


def known_run(store: Store, run_id: str) -> Any:
    """The run as MLflow tells it.

    Raises:
        Refused: there is none.
        Unavailable: the store cannot be reached.
    """
    from mlflow.exceptions import MlflowException

    with store.explained():
        try:
            return store.client.get_run(run_id)
        except MlflowException as error:
            if error.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
                raise Refused(f"there is no run '{run_id}' in {store.name}") from error
            raise


def kept(store: Store, run_id: str, folder: str) -> set[str]:
    """Paths of what a run keeps in ``folder``."""
    with store.explained():
        return {found.path for found in store.client.list_artifacts(run_id, folder)}


def fetch(store: Store, run_id: str, folder: str, scratch: Path, names: Collection[str] | None = None) -> Path | None:
    """The run's artifacts under ``folder``, or those of ``names``, brought below ``scratch``; None where it keeps none."""
    there = kept(store, run_id, folder)
    if not there:
        return None
    into = scratch / run_id
    into.mkdir(parents=True, exist_ok=True)
    with store.explained():
        if names is None:
            return Path(store.client.download_artifacts(run_id, folder, str(into)))
        wanted = sorted(there & {f"{folder}/{name}" for name in names})
        found = [Path(store.client.download_artifacts(run_id, path, str(into))) for path in wanted]
    return found[0].parent if found else None  # stores differ in where below ``into`` they put one file
