"""A run, a registered version or a folder: wherever an evaluation is kept, it is found and brought here."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from recsys_cl.core.errors import Refused
from recsys_cl.stages.measured import Measured, read_measured

if TYPE_CHECKING:
    from recsys_cl.tracking.store import Store

NEEDED = ("metrics.json", "per_user.parquet")
OPTIONAL = ("segments.json", "per_segment.parquet")

_RUN = re.compile(r"[0-9a-f]{32}")


@contextmanager
def fetched(references: Sequence[str], root: Path, tracking_uri: str | None) -> Iterator[list[Measured]]:
    """The evaluations meant, each under the name it was asked for by; copies are removed when the block ends.

    Args:
        references: as in `evaluation_of`.
        root: where ``mlruns/`` lies, unless ``tracking_uri`` names another store; it is opened only if it is needed.
        tracking_uri: the store that knows the runs.
    """
    from recsys_cl.tracking.store import open_known

    store = cache(lambda: open_known(root, tracking_uri))
    with TemporaryDirectory() as scratch:
        found = []
        for number, reference in enumerate(references):
            place = Path(scratch) / str(number)
            place.mkdir()
            found.append(read_measured(evaluation_of(reference, store, place), reference))
        yield found


def evaluation_of(reference: str, store: Callable[[], Store], scratch: Path) -> Path:
    """The folder of the evaluation that ``reference`` means.

    Args:
        reference: an evaluation's folder, an MLflow run id, ``models:/NAME/VERSION`` or ``models:/NAME@ALIAS``.
        store: opens the tracking store; not called for a folder.
        scratch: an empty folder for what must be fetched.

    Raises:
        Refused: there is no such folder, run or version, or it keeps no evaluation.
        Unavailable: the store cannot be reached.
    """
    folder = Path(reference)
    if folder.is_dir():
        missing = [name for name in NEEDED if not (folder / name).is_file()]
        if missing:
            raise Refused(f"{folder}: not an evaluation, it has no {' and no '.join(missing)}")
        return folder
    if reference.startswith("models:"):
        opened = store()
        return _fetch(opened, _run_of(opened, reference), reference, scratch)
    if _RUN.fullmatch(reference):
        return _fetch(store(), reference, f"run {reference}", scratch)
    raise Refused(f"'{reference}' is no folder, no run id (32 hex digits) and no models:/NAME/VERSION")


def _run_of(store: Store, reference: str) -> str:
    """The run that made a registered version."""
    from recsys_cl.serving.load import find_version, pin

    name, _, version = pin(reference, store.uri).removeprefix("models:/").partition("/")
    if not version.isdigit():
        raise Refused(f"model '{reference}': write models:/NAME@ALIAS or models:/NAME/VERSION")
    with store.explained():
        run_id = find_version(store.client, name, version=version).run_id
    if not run_id:
        raise Refused(f"{reference}: no run is known for this version")
    return str(run_id)


def _fetch(store: Store, run_id: str, what: str, scratch: Path) -> Path:
    from recsys_cl.tracking.evaluated import FOLDER, fetch, kept, known_run

    known_run(store, run_id)
    there = kept(store, run_id, FOLDER)
    missing = [path for name in NEEDED if (path := f"{FOLDER}/{name}") not in there]
    if missing:
        raise Refused(f"{what}: the run keeps no {missing[0]}; only a run that was evaluated can be compared")
    found = fetch(store, run_id, FOLDER, scratch, (*NEEDED, *OPTIONAL))
    assert found is not None
    return found
