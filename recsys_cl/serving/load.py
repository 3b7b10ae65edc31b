"""``models:/demo@champion`` or a folder becomes a bundle, after every byte was compared with what was registered."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from recsys_cl.core.errors import Refused, nearest
from recsys_cl.core.mlflow import address, connect, explained, sqlite_path, without_credentials
from recsys_cl.serving.bundle import Bundle, read_bundle
from recsys_cl.serving.manifest import NAME, changed, digest_folder
from recsys_cl.serving.package import BUNDLE

if TYPE_CHECKING:
    from mlflow import MlflowClient

SHA256 = "recsys_cl.sha256"
"""The tag of a model version that holds the digest of its whole folder."""

FILES = "recsys_cl.files"
"""The tag that holds the digest of each file, shortened; it permits nothing and names what was changed."""

ADDED_BY_MLFLOW = "registered_model_meta"
"""A file that MLflow puts into the folder of a model when it loads it by name."""

_REFERENCE = re.compile(r"models:/(?P<name>[^/@]+)(@(?P<alias>[^/@]+)|/(?P<version>[1-9]\d*))")


def load_bundle(model: str, tracking_uri: str | None = None, root: Path = Path()) -> Bundle:
    """Read a model.

    Args:
        model: ``models:/NAME@ALIAS``, ``models:/NAME/VERSION``, or the folder of a bundle or of a model that holds one.
        tracking_uri: the store that knows the name; by default ``MLFLOW_TRACKING_URI`` or ``root/mlruns/mlflow.db``.

    Raises:
        Refused: there is no such model, or its files are not the ones that were registered.
        Unavailable: the store cannot be reached.
    """
    if not model.startswith("models:"):
        return read_bundle(_bundle_folder(Path(model)))
    reference = _REFERENCE.fullmatch(model)
    if reference is None:
        raise Refused(f"model '{model}': write models:/NAME@ALIAS or models:/NAME/VERSION")
    uri, client = _registry(model, tracking_uri, root)
    with explained(uri), registered_folder(client, find_version(client, **reference.groupdict())) as folder:
        return read_bundle(_bundle_folder(folder))


def pin(model: str, tracking_uri: str | None = None, root: Path = Path()) -> str:
    """``models:/NAME@ALIAS`` as the ``models:/NAME/VERSION`` it points at now; anything else as it is.

    Raises:
        Refused: there is no such model or alias.
        Unavailable: the store cannot be reached.
    """
    reference = _REFERENCE.fullmatch(model)
    if reference is None or reference["alias"] is None:
        return model
    uri, client = _registry(model, tracking_uri, root)
    with explained(uri):
        version = find_version(client, reference["name"], reference["alias"])
    return f"models:/{version.name}/{version.version}"


def find_version(client: MlflowClient, name: str, alias: str | None = None, version: str | None = None) -> Any:
    """The model version meant.

    Raises:
        Refused: it is not there; the message has the nearest that is.
    """
    from mlflow.exceptions import MlflowException

    try:
        return client.get_model_version_by_alias(name, alias) if alias else client.get_model_version(name, version)
    except MlflowException as error:
        if error.error_code not in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
            raise
    known = {model.name: model for model in client.search_registered_models()}
    store = without_credentials(client.tracking_uri)
    if name not in known:
        raise Refused(f"no model '{name}' in {store}; {nearest(name, known)}")
    if alias:
        raise Refused(f"model '{name}' has no alias '{alias}' in {store}; {nearest(alias, known[name].aliases)}")
    versions = sorted(int(v.version) for v in client.search_model_versions(f"name = '{name}'"))
    raise Refused(f"model '{name}' has no version {version} in {store}; it has {', '.join(map(str, versions)) or 'none'}")


@contextmanager
def registered_folder(client: MlflowClient, version: Any) -> Iterator[Path]:
    """The files of a registered model, fetched if they lie elsewhere, and found to be those that were registered.

    The digest kept in the registry is the permission to use them: loading a model runs the code that lies in it.

    Raises:
        Refused: they are not, or nothing is known of them.
    """
    from mlflow.artifacts import download_artifacts

    name = f"models:/{version.name}/{version.version}"
    if SHA256 not in version.tags:
        raise Refused(f"{name}: registered by other means: without the tag {SHA256} its files cannot be verified")
    source = client.get_model_version_download_uri(version.name, version.version)
    with TemporaryDirectory() as scratch:
        local = source.startswith(("file:", "/"))
        if local and not Path(unquote(urlsplit(source).path)).is_dir():
            raise Refused(f"{name}: damaged: its files are gone, there is no {unquote(urlsplit(source).path)}")
        folder = Path(
            download_artifacts(artifact_uri=source, dst_path=None if local else scratch, tracking_uri=client.tracking_uri)
        )
        if digest_folder(folder, without=(ADDED_BY_MLFLOW,)) != version.tags[SHA256]:
            which = changed(folder, version.tags.get(FILES, ""), without=(ADDED_BY_MLFLOW,))
            raise Refused(f"{name}: " + (which or f"damaged or changed: the files in {folder} are not the registered ones"))
        yield folder


def _registry(model: str, tracking_uri: str | None, root: Path) -> tuple[str, MlflowClient]:
    """The store that knows ``model``: its address and a client; reading never makes one."""
    uri = address(root, tracking_uri)
    path = sqlite_path(uri)
    if path is not None and not path.exists():
        raise Refused(f"model '{model}': there is no store at {path}; run a pipeline first, or name another store")
    return uri, connect(uri)


def _bundle_folder(folder: Path) -> Path:
    if not folder.is_dir():
        raise Refused(f"{folder}: no such model; name a folder, or models:/NAME@ALIAS")
    return folder if (folder / NAME).exists() or not (folder / BUNDLE).is_dir() else folder / BUNDLE
