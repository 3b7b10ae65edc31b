"""A folder that can be trusted: every file's SHA-256 stands in ``manifest.json``, and nothing else to be read lies there."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from recsys_cl.core.errors import Refused
from recsys_cl.core.files import digest_file, digest_json, write_json

NAME = "manifest.json"
FORMAT = 1
BYTECODE = "__pycache__"
"""What Python writes beside a model's code when somebody loads it; nothing that is read here, and no part of the model."""
_SHORT = 16  # characters of a digest that names a file; the permission to load is the whole digest of the folder


def write_manifest(folder: Path, name: str = NAME) -> None:
    """Seal ``folder``; written last, it says that all else is complete."""
    write_json(folder / name, {"format": FORMAT, "files": _digests(folder, without=(name,))})


def verify_manifest(folder: Path, manifest: str = NAME) -> None:
    """Compare ``folder`` with its manifest.

    Raises:
        Refused: a file is missing, foreign, or not what was sealed; the message names it.
    """
    problem = _difference(folder, _read(folder, manifest), _digests(folder, without=(manifest,)), manifest)
    if problem:
        raise Refused(problem)


def contents(folder: Path) -> str:
    """The names in ``folder`` with the beginnings of their digests as JSON: enough to say which file is not what it was."""
    return json.dumps({name: digest[:_SHORT] for name, digest in _digests(folder, without=()).items()})


def changed(folder: Path, before: str, without: tuple[str, ...] = ()) -> str:
    """The first file of ``folder`` that is not what `contents` once said, in a sentence; empty: none can be named.

    Args:
        folder: as it is now.
        before: what `contents` said; empty where nobody asked it.
        without: files that may have come since.
    """
    if not before:
        return ""
    found = {name: digest[:_SHORT] for name, digest in _digests(folder, without).items()}
    return _difference(folder, json.loads(before), found, "its registration")


def _difference(folder: Path, listed: Mapping[str, str], found: Mapping[str, str], where: str) -> str:
    for name in sorted(listed.keys() | found.keys()):
        if name not in found:
            return f"{folder / name}: missing, though {where} lists it"
        if name not in listed:
            return f"{folder / name}: {where} does not list this file"
        if found[name] != listed[name]:
            return f"{folder / name}: damaged or changed: its SHA-256 is not the one in {where}"
    return ""


def digest_folder(folder: Path, without: tuple[str, ...] = ()) -> str:
    """One SHA-256 for the names and contents of all files in ``folder``, except those named."""
    return digest_json(_digests(folder, without))


def _digests(folder: Path, without: tuple[str, ...]) -> dict[str, str]:
    files = (path for path in folder.rglob("*") if path.is_file() or path.is_symlink())
    names = {path.relative_to(folder).as_posix(): path for path in files}
    ours = (name for name in sorted(names) if name not in without and BYTECODE not in name.split("/")[:-1])
    return {name: digest_file(names[name]) for name in ours}


def _read(folder: Path, name: str) -> dict[str, str]:
    path = folder / name
    try:
        manifest: Any = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise Refused(f"{folder}: not a model: there is no {name}") from None
    except ValueError as error:
        raise Refused(f"{path}: damaged: {error}") from error
    if not isinstance(manifest, dict) or not isinstance(manifest.get("files"), dict):
        raise Refused(f"{path}: damaged: no list of files")
    if manifest.get("format") != FORMAT:
        raise Refused(f"{path}: format {manifest.get('format')} is unknown to this version, which reads {FORMAT}")
    return {str(name): str(digest) for name, digest in manifest["files"].items()}
