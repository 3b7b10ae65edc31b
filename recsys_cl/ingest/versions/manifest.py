"""What a version holds and what each of its parts is made of: sealed JSON, checked at every reading."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ValidationError

from recsys_cl.core.errors import Refused
from recsys_cl.core.files import digest_file, digest_json
from recsys_cl.core.sealed import committed_text, unread, unsealed, write_sealed
from recsys_cl.core.settings import Settings
from recsys_cl.ingest.versions.lock import PARTS, VERSIONS

FORMAT: Literal[1] = 1
PART = "part.json"

T = TypeVar("T", bound=BaseModel)


class Input(Settings):
    """One file that was read. ``address`` is of its bytes and of how they were read, so the same again is known unread."""

    address: str
    name: str
    sha256: str
    rows: int
    quarantined: int


class File(Settings):
    """One file of a part."""

    sha256: str
    bytes: int


class Part(Settings):
    """What one ingestion added. Times are microseconds after 1970 UTC, None where no row was new."""

    rows: int
    first: int | None
    last: int | None
    late: int  # rows older than the watermark of the version before
    columns: tuple[str, ...]  # of the optional ones, those that are there
    sum: str  # of the rows' hashes, modulo 2^128, in hex
    inputs: tuple[Input, ...]
    files: dict[str, File]


class PartName(Settings):
    """A part as a version names it."""

    name: str
    sha256: str  # of its part.json


class Version(Settings):
    """One committed state of a data set."""

    format: Literal[1] = FORMAT
    number: int
    committed: str
    rows: int
    users: int
    items: int
    first: int
    last: int  # the newest event: the watermark for what comes next
    late: int
    sum: str
    digest: str
    drift: dict[str, Any]
    parts: tuple[PartName, ...]


def content_digest(rows: int, total: int) -> str:
    """The digest of a set of rows: the same for any order, any partition and any number of files and versions."""
    return digest_json({"format": FORMAT, "rows": rows, "sum": f"{total:032x}"})


def version_file(folder: Path, number: int) -> Path:
    """Where version ``number`` is described."""
    return folder / VERSIONS / f"{number:08d}.json"


def part_folder(folder: Path, name: str) -> Path:
    """Where a part lies."""
    return folder / PARTS / name


def numbers(folder: Path) -> list[int]:
    """The versions there are, oldest first."""
    return sorted(int(path.stem) for path in (folder / VERSIONS).glob("[0-9]*.json") if path.stem.isdigit())


def latest(folder: Path) -> Version | None:
    """The newest version; None where there is none yet."""
    found = numbers(folder)
    return read_version(folder, found[-1]) if found else None


def read_version(folder: Path, number: int | None = None) -> Version:
    """Version ``number``, by default the newest.

    Raises:
        Refused: no data set, no such version, or a file that is not what was committed.
    """
    found = numbers(folder)
    if not found:
        raise Refused(f"{folder}: not a data set, or one without a version")
    if number is not None and number not in found:
        raise Refused(f"{folder}: no version {number}; there are {found[0]} to {found[-1]}")
    path = version_file(folder, found[-1] if number is None else number)
    body = unsealed(committed_text(path), path)
    if body.get("format") != FORMAT:
        raise Refused(f"{path}: of format {body.get('format')}, and this version of recsys-cl reads format {FORMAT}")
    return _valid(Version, body, path)


def write_version(folder: Path, version: Version) -> None:
    """The commit: one rename, after everything it names is on disk."""
    write_sealed(version_file(folder, version.number), version.model_dump(mode="json"))


def read_part(folder: Path, named: PartName) -> Part:
    """What is in a part that a version names."""
    path = part_folder(folder, named.name) / PART
    text = committed_text(path)
    if digest_file(path) != named.sha256:
        raise Refused(f"{path}: damaged: not what was committed")
    return _valid(Part, json.loads(text), path)


def check_file(path: Path, file: File) -> None:
    """Refuse a file that is not byte for byte what was committed."""
    try:
        if path.stat().st_size != file.bytes:
            raise Refused(f"{path}: damaged: {path.stat().st_size} bytes, and {file.bytes} were committed")
        if digest_file(path) != file.sha256:
            raise Refused(f"{path}: damaged: its SHA-256 is not the one committed")
    except OSError as error:
        raise unread(path, error) from error


def iso(instant: int | None) -> str | None:
    """Microseconds after 1970 as ISO 8601 in UTC."""
    if instant is None:
        return None
    whole, fraction = divmod(instant, 1_000_000)
    return datetime.fromtimestamp(whole, UTC).replace(microsecond=fraction).isoformat()


def _valid(model: type[T], values: object, path: Path) -> T:
    try:
        return model.model_validate_json(json.dumps(values))
    except ValidationError as error:
        raise Refused(f"{path}: not a description of a data set: {error.errors()[0]['loc']}") from error
