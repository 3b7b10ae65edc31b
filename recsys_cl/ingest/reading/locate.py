"""The files that a path, a folder, a glob or a list of them names, in one order that no listing decides."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from glob import glob, has_magic
from pathlib import Path

from recsys_cl.core.errors import Refused, nearest

_VARIABLE = re.compile(r"\$\{(\w+)(?::-([^}]*))?\}")


def locate(paths: str | Sequence[str], endings: Sequence[str]) -> list[Path]:
    """Every file named, sorted by name, each once; a folder stands for its files with one of ``endings``, at any depth.

    ``${NAME}`` is an environment variable and ``${NAME:-fallback}`` one that may be absent; ``~`` is the home folder.

    Raises:
        Refused: a path that names no file.
    """
    given = [paths] if isinstance(paths, str) else list(paths)
    if not given:
        raise Refused("ingest.source.path: an empty list names no file")
    return sorted({path for text in given for path in _named(expand(text), endings)}, key=lambda path: path.as_posix())


def expand(text: str) -> str:
    """``text`` with its environment variables and ``~`` filled in."""

    def value(match: re.Match[str]) -> str:
        found = os.environ.get(match[1], match[2])
        if found is None:
            raise Refused(f"{text}: the environment variable {match[1]} is not set")
        return found

    return str(Path(_VARIABLE.sub(value, text)).expanduser())


def existing(text: str) -> Path:
    """The one file that ``text`` names."""
    path = Path(expand(text))
    if not path.is_file():
        raise Refused(f"{path}: {_absence(path)}")
    return path


def _named(text: str, endings: Sequence[str]) -> list[Path]:
    path = Path(text)
    if path.is_dir():
        found = [inside for inside in path.rglob("*") if inside.is_file() and inside.name.endswith(tuple(endings))]
        if not found:
            raise Refused(f"{path}: no file in this folder ends in {' or '.join(endings)}")
        return found
    if path.exists():
        return [path]
    if has_magic(text):
        found = [Path(match) for match in glob(text, recursive=True) if Path(match).is_file()]  # noqa: PTH207 - may be absolute
        if found:
            return found
        raise Refused(f"{text}: no file matches")
    raise Refused(f"{path}: {_absence(path)}")


def _absence(path: Path) -> str:
    if path.is_dir():
        return "a folder, where a file is needed"
    if not path.parent.is_dir():
        return "no such file, nor its folder"
    return f"no such file; {nearest(path.name, [beside.name for beside in path.parent.iterdir()][:1000])}"
