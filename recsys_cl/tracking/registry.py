"""Models under a name: a version for each content, an alias for each role, moved last of all."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from recsys_cl.tracking.experiment import FINGERPRINT, Experiment
from recsys_cl.tracking.store import Store

DAMAGED = "recsys_cl.damaged"
"""The tag of a version whose files were found not to be those that were registered; it says what was found."""
CHALLENGER = "challenger"
CHAMPION = "champion"


@dataclass(frozen=True, slots=True)
class Registration:
    """A registered version and the aliases that point at it."""

    name: str
    version: int
    aliases: tuple[str, ...]


def find_version(store: Store, name: str, fingerprint: str) -> Any | None:
    """The oldest version of ``name`` that holds this content; None: there is none."""
    with store.explained():
        versions = store.client.search_model_versions(f"name = '{name}'")
    # The registry answers with tags but cannot be asked by them on every backend.
    same = [v for v in versions if holds(v.tags, fingerprint) and v.status == "READY"]
    return min(same, key=lambda v: int(v.version), default=None)


def holds(tags: Mapping[str, str], fingerprint: str) -> bool:
    """Whether a version with these tags is of this content, and was not found damaged."""
    return tags.get(FINGERPRINT) == fingerprint and DAMAGED not in tags


def log_model(experiment: Experiment, run_id: str, name: str, write: Callable[[Path, str], Mapping[str, str]]) -> Any:
    """Log a model to its run.

    Args:
        experiment: where the run is.
        run_id: the run that made the model.
        name: of the model within the run.
        write: given a folder that does not exist and the model's id, writes the model there; returns tags for it.

    Returns:
        MLflow's record of the model, READY.
    """
    from mlflow.entities import LoggedModelOutput

    client = experiment.store.client
    with experiment.store.explained():
        model_id = client.create_logged_model(experiment.id, name, source_run_id=run_id, model_type="recommender").model_id
        try:
            with TemporaryDirectory() as scratch:
                tags = write(Path(scratch) / "model", model_id)
                client.set_logged_model_tags(model_id, dict(tags))
                client.log_model_artifacts(model_id, str(Path(scratch) / "model"))
        except BaseException:
            client.finalize_logged_model(model_id, "FAILED")
            raise
        client.log_outputs(run_id, [LoggedModelOutput(model_id, step=0)])
        return client.finalize_logged_model(model_id, "READY")


def register(store: Store, name: str, model: Any, fingerprint: str) -> Any:
    """Make ``model`` the next version of ``name``, known by the fingerprint of its content; no alias points at it yet."""
    from mlflow.exceptions import MlflowException

    with store.explained():
        try:
            store.client.create_registered_model(name)
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
        return store.client.create_model_version(
            name,
            source=model.artifact_location,  # "models:/ID" would be looked up in MLflow's global store, which is not ours
            run_id=model.source_run_id,
            tags={**model.tags, FINGERPRINT: fingerprint},
            model_id=model.model_id,
        )


def mark_damaged(store: Store, name: str, version: int, why: str) -> None:
    """Tag a version whose files are not those that were registered, so that nobody takes it for one of its content again."""
    with store.explained():
        store.client.set_model_version_tag(name, str(version), DAMAGED, why[:500])


def appoint(store: Store, name: str, version: int) -> Registration:
    """Point ``challenger`` at a version that was verified, and ``champion`` too where there is none yet."""
    with store.explained(), store.locked():
        present = store.client.get_registered_model(name).aliases
        store.client.set_registered_model_alias(name, CHALLENGER, str(version))
        if CHAMPION not in present:
            store.client.set_registered_model_alias(name, CHAMPION, str(version))
        aliases = store.client.get_registered_model(name).aliases
    return Registration(name, version, tuple(sorted(a for a, v in aliases.items() if int(v) == version)))
