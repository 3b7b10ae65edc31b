"""How MLflow is entered, by whoever writes or reads its store: late, quietly, without telemetry; its errors become ours."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from recsys_cl.core.errors import Unavailable
from recsys_cl.core.files import free_space

if TYPE_CHECKING:
    from mlflow import MlflowClient

_ENVIRONMENT = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_LOGGING_LEVEL": "WARNING",
    "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "3",  # a quarter of a minute rather than four, then a clear error
}
"""Read by MLflow when it is imported; what the user has set stays."""


SQLITE = "sqlite:///"
_DATABASES = ("postgresql", "mysql", "mssql")
_TIMED = re.compile(r"(postgresql(\+psycopg2?)?|mysql(\+(pymysql|mysqldb))?):")
"""Drivers that can be told for how many seconds to try."""
_PASSWORD = re.compile(r"(?<=password=)[^&]+", re.IGNORECASE)
"""In the query of an address, as database drivers take it."""


def address(root: Path, uri: str | None = None) -> str:
    """The store meant: ``uri``, or ``MLFLOW_TRACKING_URI``, or else the SQLite file ``root/mlruns/mlflow.db``."""
    meant = uri or os.environ.get("MLFLOW_TRACKING_URI") or f"{SQLITE}{root.resolve() / 'mlruns' / 'mlflow.db'}"
    path = sqlite_path(meant)
    return meant if path is None else f"{SQLITE}{path}"


def sqlite_path(uri: str) -> Path | None:
    """The file of a SQLite address, absolute; None for any other."""
    return Path(uri.removeprefix(SQLITE)).resolve() if uri.startswith(SQLITE) else None


def connect(uri: str) -> MlflowClient:
    """A client of the store at ``uri`` and of the registry that belongs to it; no global state is set."""
    set_environment()
    with explained(uri):
        if uri.startswith(_DATABASES):
            _ask(uri)
        from mlflow import MlflowClient

        return MlflowClient(tracking_uri=uri)


def _ask(uri: str) -> None:
    """Connect to a database once. MLflow would try for 100 s, whether it is away for a moment or refuses the password."""
    from sqlalchemy import create_engine

    engine = create_engine(uri, connect_args={"connect_timeout": 10} if _TIMED.match(uri) else {})
    try:
        engine.connect().close()
    finally:
        engine.dispose()


def set_environment() -> None:
    """Telemetry, progress bars and pickle off, unless the user has decided otherwise. Must run before MLflow is imported."""
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)  # tracebacks of what `explained` says in a sentence


@contextmanager
def explained(uri: str) -> Iterator[None]:
    """What fails inside the store becomes one `Unavailable` that names it, without credentials."""
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except (MlflowException, SQLAlchemyError, OSError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        path = sqlite_path(uri)
        room = f" ({free_space(path)})" if path else ""
        raise Unavailable(f"tracking store {without_credentials(uri)}: {without_credentials(reason, uri)}{room}") from error
    except ModuleNotFoundError as error:  # the driver of a database, or of a bucket
        need = f"{error.name} is not installed; pip install 'recsys-cl[team]'"
        raise Unavailable(f"tracking store {without_credentials(uri)}: {need}") from error


def without_credentials(text: str, uri: str | None = None) -> str:
    """``text`` without the user and password of ``uri`` (by default of ``text`` itself), wherever the address has them.

    They are left out of the address, and what else repeats them, in the address's spelling or in their own, says "…" instead.
    """
    source = text if uri is None else uri
    parts = urlsplit(source)
    who = parts.netloc.rpartition("@")[0]
    secrets = {who, who.partition(":")[2], *_PASSWORD.findall(parts.query)} - {""}
    bare = _PASSWORD.sub("…", source.replace(f"//{who}@", "//", 1) if who else source)
    shown = text.replace(source, bare) if secrets else text
    for secret in sorted({*secrets, *map(unquote, secrets)}, key=len, reverse=True):
        shown = shown.replace(secret, "…")
    return shown
