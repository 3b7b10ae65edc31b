"""The table of public data sets, read from ``catalogue.toml`` beside this file."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Mapping
from importlib import resources

from pydantic import Field

from recsys_cl.core.errors import Refused, nearest
from recsys_cl.core.settings import Settings

_DIGEST = re.compile(r"[0-9a-f]{64}")


class File(Settings):
    """One file to fetch. ``sha256`` is known only where ``verified`` says from whom."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    url: str = Field(pattern=r"^https?://")
    sha256: str | None = Field(default=None, pattern=_DIGEST.pattern)
    verified: str | None = None


class Table(Settings):
    """How a published table is laid out: without a header it gets one, with a foreign one its columns are mapped."""

    header: tuple[str, ...] | None = None  # of the first columns; the rest are left out
    separator: str = ","
    encoding: str = "utf-8"
    columns: dict[str, str] = Field(default_factory=dict)


class DataSet(Settings):
    """One data set: its files, its terms, and what in them are interactions and items."""

    title: str
    licence: str
    terms: str
    files: tuple[File, ...] = Field(min_length=1)
    tables: dict[str, str] = Field(default_factory=dict)  # interactions, items: the file, or the member of the archive
    interactions: Table = Table()
    items: Table = Table()
    published: dict[str, str] = Field(default_factory=dict)  # train, test: files of lines `user item item …`

    def with_digests(self, given: Mapping[str, str]) -> DataSet:
        """The same with digests that the user vouches for, by file name.

        Raises:
            Refused: a file without a digest, or a digest that is none or contradicts the known one.
        """
        names = [file.name for file in self.files]
        for name, digest in given.items():
            if name not in names:
                raise Refused(f"--sha256 {name}: no such file in this data set; {nearest(name, names)}")
            if not _DIGEST.fullmatch(digest):
                raise Refused(f"--sha256 {name}: not 64 hexadecimal digits")
        files = [file if file.name not in given else _vouched(file, given[file.name]) for file in self.files]
        for file in files:
            if file.sha256 is None:
                raise Refused(f"{file.name}: not verified from here; say what it must be: --sha256 {file.name}=DIGEST")
        return self.model_copy(update={"files": tuple(files)})


def _vouched(file: File, digest: str) -> File:
    if file.sha256 not in (None, digest):
        raise Refused(f"--sha256 {file.name}: {digest} is not the known {file.sha256} ({file.verified})")
    return file.model_copy(update={"sha256": digest})


def catalogue() -> dict[str, DataSet]:
    """Every data set by name."""
    text = resources.files("recsys_cl.ingest.public").joinpath("catalogue.toml").read_text("utf-8")
    return {name: DataSet.model_validate_json(json.dumps(entry)) for name, entry in tomllib.loads(text).items()}


def find(name: str) -> DataSet:
    """The data set called ``name``."""
    known = catalogue()
    if name not in known:
        raise Refused(f"no public data set '{name}'; {nearest(name, known)}")
    return known[name]
