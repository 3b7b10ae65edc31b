"""The files that a path, a folder, a glob or a list of them names, in one order that no listing decides."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterable, Iterator, Sequence
from glob import glob, has_magic
from pathlib import Path
from typing import NoReturn

from recsys_cl.core.errors import Refused, nearest
from recsys_cl.core.files import read_fault

_VARIABLE = re.compile(r"\$\{(\w+)(?::-([^}]*))?\}")
_NO_FILE = {stat.S_IFIFO: "a pipe", stat.S_IFSOCK: "a socket", stat.S_IFCHR: "a device", stat.S_IFBLK: "a device"}


def locate(paths: str | Sequence[str], endings: Sequence[str], *, data_sets: bool = False) -> list[Path]:
    """Every file named, sorted by name, each once; a folder stands for its files with one of ``endings``, at any depth.

    ``${NAME}`` is an environment variable and ``${NAME:-fallback}`` one that may be absent; ``~`` is the home folder.
    Endings are matched in any case. What begins with ``.`` or ``_`` inside a folder is another tool's and passed over.
    With ``data_sets`` the files of data sets, which are no logs, are left to the caller.

    Raises:
        Refused: a path that names no file, or something that is none: a pipe, a device, a link to nothing; or a data set.
    """
    given = [paths] if isinstance(paths, str) else list(paths)
    if not given:
        raise Refused("ingest.source.path: an empty list names no file")
    try:
        found = {path for text in given for path in _named(expand(text), endings)}
    except OSError as error:
        raise read_fault(Path(error.filename or given[0]), error) from error
    if not data_sets:
        _refuse_data_sets(found)
    return sorted(found, key=lambda path: path.as_posix())


def _refuse_data_sets(paths: Iterable[Path]) -> None:
    """Refuse files that are parts of a data set made by ``recsys-cl ingest``, naming that."""
    for path in sorted(paths):
        part = path.parent
        if part.parent.name == "parts" and (part / "part.json").is_file():
            raise Refused(
                f'{part.parent.parent}: a data set, not a log; a pipeline reads it as ingest.source.use = "dataset", '
                "and logs are brought in without it"
            )


def expand(text: str) -> str:
    """``text`` with its environment variables and ``~`` filled in."""

    def value(match: re.Match[str]) -> str:
        found = os.environ.get(match[1], match[2])
        if found is None:
            raise Refused(f"{text}: the environment variable {match[1]} is not set")
        return found

    try:
        filled = _VARIABLE.sub(value, text)
        return str(Path(filled).expanduser()) if filled else filled  # no path is the folder where one is only if it says so
    except RuntimeError as error:  # the home folder of somebody who has none
        raise Refused(f"{text}: {error}") from error


def existing(text: str) -> Path:
    """The one file that ``text`` names."""
    path = Path(expand(text))
    try:
        return _regular(path) if os.path.lexists(path) and not path.is_dir() else _absent(path)
    except OSError as error:
        raise read_fault(path, error) from error


def _named(text: str, endings: Sequence[str]) -> list[Path]:
    if not text:
        raise Refused("an empty text names no file; '.' is the folder where you are")
    if "\0" in text:
        raise Refused(f"{text!r}: no path holds a zero byte")
    path = Path(text)
    if os.path.lexists(path):
        return _inside(path, endings) if path.is_dir() else [_regular(path)]
    if not has_magic(text):
        _absent(path)
    matches = [Path(match) for match in glob(text, recursive=True)]  # noqa: PTH207 - may be absolute
    found = [path for match in matches for path in (_listed(match, endings) if match.is_dir() else [_regular(match)])]
    if not found:
        raise Refused(f"{text}: no file matches")
    return found


def _inside(folder: Path, endings: Sequence[str]) -> list[Path]:
    found = list(_listed(folder, endings))
    if not found:
        raise Refused(f"{folder}: no file in this folder ends in {' or '.join(endings)}")
    return found


def _listed(folder: Path, endings: Sequence[str]) -> Iterator[Path]:
    """The folder's logs at any depth, through links but no folder twice."""
    seen: set[Path] = set()
    for root, folders, names in os.walk(folder, onerror=_fail, followlinks=True):
        here = Path(root)
        if here.resolve() in seen:
            folders.clear()
            continue
        seen.add(here.resolve())
        folders[:] = sorted(name for name in folders if not name.startswith((".", "_")))
        for name in names:
            if name.lower().endswith(tuple(endings)) and not name.startswith((".", "_")):
                yield _regular(here / name)


def _regular(path: Path) -> Path:
    """The path, if a file of bytes is there: whatever else would hang, never end, or be lost without a word."""
    try:
        kind = stat.S_IFMT(path.stat().st_mode)
    except OSError as error:
        if path.is_symlink():
            raise Refused(f"{path}: a link to nothing") from error
        raise
    if kind != stat.S_IFREG:
        raise Refused(f"{path}: {_NO_FILE.get(kind, 'a folder')}, where a file is needed")
    return path


def _fail(error: OSError) -> NoReturn:
    raise error


def _absent(path: Path) -> NoReturn:
    if path.is_dir():
        raise Refused(f"{path}: a folder, where a file is needed")
    if not path.parent.is_dir():
        raise Refused(f"{path}: no such file, nor its folder")
    beside = [name.name for name in path.parent.iterdir()][:1000]
    raise Refused(f"{path}: no such file; {nearest(path.name, beside)}")
