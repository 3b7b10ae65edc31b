"""What a registry says of a model right now, in one read: a receipt tells of an act, and others act there, too."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from recsys_cl.core.mlflow import address, sqlite_path

if TYPE_CHECKING:
    from recsys_cl.tracking.store import Store

_ALIASES = "SELECT alias, version FROM registered_model_aliases WHERE name = ?"
_VERSIONS = "SELECT version FROM model_versions WHERE name = ? AND status = 'READY' AND current_stage IS NOT 'Deleted_Internal'"
_TAGS = "SELECT version, key, value FROM model_version_tags WHERE name = ?"


@dataclass(frozen=True, slots=True)
class Standing:
    """The aliases of one model, and the tags of its versions that are READY; both empty where there is no such model."""

    aliases: Mapping[str, int]
    versions: Mapping[int, Mapping[str, str]]

    def roles(self, version: int) -> list[str]:
        """The aliases that point at ``version``."""
        return sorted(alias for alias, pointed in self.aliases.items() if pointed == version)


def standing_of(name: str, root: Path, uri: str | None = None) -> Standing:
    """Model ``name`` in the store that `open_store` would open; a SQLite file is read without MLflow, which takes seconds."""
    known = _peek(name, sqlite_path(address(root, uri)))
    if known is not None:
        return known
    from recsys_cl.tracking.store import open_store

    return _ask(name, open_store(root, uri))


def _peek(name: str, path: Path | None) -> Standing | None:
    """None: ask the store itself."""
    if path is None or not path.is_file():
        return None
    try:
        with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as database:
            aliases = {str(alias): int(version) for alias, version in database.execute(_ALIASES, (name,))}
            versions: dict[int, dict[str, str]] = {int(version): {} for (version,) in database.execute(_VERSIONS, (name,))}
            for version, key, value in database.execute(_TAGS, (name,)):
                if version in versions:
                    versions[version][key] = str(value)
    except sqlite3.Error:
        return None
    return Standing(aliases, versions)


def _ask(name: str, store: Store) -> Standing:
    with store.explained():
        models = store.client.search_registered_models(f"name = '{name}'")
        versions = store.client.search_model_versions(f"name = '{name}'")
    aliases = {alias: int(version) for model in models for alias, version in model.aliases.items()}
    return Standing(aliases, {int(each.version): dict(each.tags) for each in versions if each.status == "READY"})
