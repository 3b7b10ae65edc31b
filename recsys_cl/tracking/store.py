"""Where runs and models are kept: a SQLite file under ``mlruns/``, or the server a team shares."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recsys_cl.core.errors import Refused
from recsys_cl.core.files import digest_json
from recsys_cl.core.mlflow import address, connect, explained, set_environment, sqlite_path, without_credentials
from recsys_cl.tracking.creation import ensure_database, locked

if TYPE_CHECKING:
    from mlflow import MlflowClient


@dataclass(frozen=True, slots=True, eq=False)
class Store:
    """An open MLflow store. ``folder`` is where its files lie, or None where a server keeps them."""

    uri: str
    folder: Path | None
    client: MlflowClient

    def experiment_id(self, name: str) -> str:
        """The experiment called ``name``, created on first use; safe when several processes come first."""
        with self.explained(), self.locked():
            found = self._experiment(name)
            if found is None:
                return str(self.client.create_experiment(name, artifact_location=self._artifacts(name)))
            if found.lifecycle_stage != "active":
                raise Refused(
                    f"experiment '{name}' is deleted in {self.name}; restore it (mlflow experiments restore "
                    f"--experiment-id {found.experiment_id}) or give the pipeline another name"
                )
            return str(found.experiment_id)

    def identity(self, experiment: str) -> str:
        """A digest that changes when the store, or the experiment in it, is another one: deleted, moved or made anew."""
        with self.explained():
            found = self._experiment(experiment)
        return _identity(self.name, None if found is None else (found.experiment_id, found.creation_time))

    @property
    def name(self) -> str:
        """The address, fit to be shown: without user and password."""
        return without_credentials(self.uri)

    def explained(self) -> Any:
        """What fails in the store within this block becomes one `Unavailable`."""
        return explained(self.uri)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """One process at a time where the store is a local file; a server orders its callers itself."""
        with locked(self.folder) if self.folder else nullcontext():
            yield

    def _experiment(self, name: str) -> Any:
        return self.client.get_experiment_by_name(name)

    def _artifacts(self, experiment: str) -> str | None:
        return (self.folder / "artifacts" / experiment).as_uri() if self.folder else None


def open_store(root: Path, uri: str | None = None) -> Store:
    """Open the store at ``uri``, or at ``MLFLOW_TRACKING_URI``, or else ``root/mlruns/mlflow.db``, made on first use.

    Artifacts of a SQLite store lie beside it in ``artifacts/<experiment>``; those of a server where it puts them.

    Raises:
        Refused: the address cannot be a store (a folder: MLflow has given up its file store).
        Unavailable: the store cannot be written or reached.
    """
    meant = address(root, uri)
    path = sqlite_path(meant)
    if path is not None:
        return _open_sqlite(meant, path)
    if meant.startswith("file:") or not ("://" in meant or meant.startswith("databricks")):
        raise Refused(f"tracking store '{meant}': neither a server (https://…) nor a database (sqlite:///….db)")
    return Store(meant, None, connect(meant))


def open_known(root: Path, uri: str | None = None) -> Store:
    """`open_store` for whoever only looks or decides: a SQLite store that is not there is refused, not made."""
    path = sqlite_path(address(root, uri))
    if path is not None and not path.exists():
        raise Refused(f"there is no store at {path}; run a pipeline first, or name another with --tracking-uri")
    return open_store(root, uri)


def peek_identity(root: Path, uri: str | None, experiment: str) -> str | None:
    """`Store.identity` read from a SQLite file without MLflow, which takes seconds to import; None: ask the store itself."""
    meant = address(root, uri)
    path = sqlite_path(meant)
    if path is None or not path.is_file():
        return None
    query = "SELECT experiment_id, creation_time FROM experiments WHERE name = ? AND lifecycle_stage = 'active'"
    try:
        with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as database:
            found = database.execute(query, (experiment,)).fetchone()
    except sqlite3.Error:
        return None
    return None if found is None else _identity(without_credentials(meant), (str(found[0]), found[1]))


def _identity(name: str, made: tuple[str, int] | None) -> str:
    return digest_json([name, made])


def _open_sqlite(uri: str, path: Path) -> Store:
    set_environment()
    with explained(uri):
        ensure_database(path, path.parent / "artifacts")
    store = Store(uri, path.parent, connect(uri))
    with store.explained():
        store.client.get_experiment("0")  # the first question opens the database: a broken one is told here
    return store
