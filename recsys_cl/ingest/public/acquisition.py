"""A public data set by name: fetched, checked, unpacked, and brought into the one schema as a folder that appears at once."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from recsys_cl.core.build import build
from recsys_cl.core.errors import Refused
from recsys_cl.core.files import atomic_write, commit_folder, digest_file, make_folder, storage_fault, write_json
from recsys_cl.core.settings import Component
from recsys_cl.ingest.ingestion import Outputs, ingest
from recsys_cl.ingest.public.catalogue import DataSet, Table
from recsys_cl.ingest.public.download import download
from recsys_cl.ingest.public.extraction import extract
from recsys_cl.ingest.settings import Ingest
from recsys_cl.ingest.versions.lock import alone

_PACKED = (".zip", ".tar", ".tar.gz", ".tgz")


def acquire(
    name: str, entry: DataSet, folder: Path, digests: Mapping[str, str], seen: Callable[[int], None] = lambda _: None
) -> dict[str, Any]:
    """Make ``folder/NAME`` with ``interactions.parquet``, ``items.parquet``, ``quarantine.parquet`` and ``account.json``.

    Downloads lie in ``folder/.downloads/NAME``, where a broken one goes on; they may be removed afterwards.
    Made already, it is only told again; while another process makes it, it is waited for.

    Raises:
        Refused: bytes that are not the pinned ones, an archive or a table that cannot be used.
        Unavailable: network or disk failed; the same call goes on from there.
    """
    final = folder / name
    if (told := _told(final)) is None:
        pinned = entry.with_digests(digests)
        with alone(folder / f".{name}.lock"):  # whoever waited finds what the other has made
            told = _told(final) or _made(name, pinned, folder, seen)
    return told


def _told(final: Path) -> dict[str, Any] | None:
    """The account of a data set that is there."""
    path = final / "account.json"
    if not path.is_file():
        return None
    told: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return told


def _made(name: str, pinned: DataSet, folder: Path, seen: Callable[[int], None]) -> dict[str, Any]:
    final, kept, scratch = folder / name, folder / ".downloads" / name, folder / f".{name}.making"
    for file in pinned.files:
        download(file.url, kept / file.name, str(file.sha256), seen)
    try:
        shutil.rmtree(scratch, ignore_errors=True)
        make_folder(scratch / "raw")
        made = scratch / "made"
        made.mkdir()
        source = _published(pinned, kept) if pinned.published else _tabular(pinned, kept, scratch / "raw")
        account = _ingested(source, scratch, made) | {"name": name, "title": pinned.title, "terms": pinned.terms}
        account["sha256"] = {file.name: file.sha256 for file in pinned.files}
        write_json(made / "account.json", account)
        commit_folder(made, final)
        shutil.rmtree(scratch)
    except OSError as error:
        raise storage_fault(final, error) from error
    return account


def _ingested(source: Component, scratch: Path, made: Path) -> dict[str, Any]:
    settings = Ingest(source=source)
    out = Outputs(made / "interactions.parquet", made / "items.parquet", made / "quarantine.parquet")
    log = build("ingest.sources", source, "ingest.source").read(scratch)
    account = ingest(log, settings, scratch, out, lambda _: None)
    return account | {"digest": digest_file(out.interactions)}


def _published(entry: DataSet, kept: Path) -> Component:
    return Component(use="published", path=str(kept), **entry.published)


def _tabular(entry: DataSet, kept: Path, raw: Path) -> Component:
    """The tables as CSV of our own making, where theirs lack a header, and as they are where not."""
    found = _found(entry, kept, raw)
    for role, table in (("interactions", entry.interactions), ("items", entry.items)):
        if role in found and table.header is not None:
            found[role] = _with_header(found[role], table, raw / f"{role}.csv")
    items: dict[str, Any] = {"items": str(found["items"]), "item_columns": entry.items.columns} if "items" in found else {}
    return Component(use="csv", path=str(found["interactions"]), columns=entry.interactions.columns, **items)


def _found(entry: DataSet, kept: Path, raw: Path) -> dict[str, Path]:
    names = {file.name for file in entry.files}
    places = {
        role: kept / table if table in names else raw / f"{role}-{Path(table).name}" for role, table in entry.tables.items()
    }
    for archive in (kept / name for name in names if name.endswith(_PACKED)):
        extract(archive, {table: places[role] for role, table in entry.tables.items() if table not in names})
    return places


def _with_header(path: Path, table: Table, out: Path) -> Path:
    """The first columns of a table without a header, as CSV with one. Values are copied, never changed."""
    header = table.header or ()
    with atomic_write(out, "w") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(header)
        for number, fields in enumerate(_fields(path, table), start=1):
            if len(fields) < len(header):
                raise Refused(f"{path.name}: line {number}: {len(fields)} fields where {len(header)} are needed")
            writer.writerow(fields[: len(header)])
    return out


def _fields(path: Path, table: Table) -> Iterator[list[str]]:
    try:
        with path.open(encoding=table.encoding, newline="\n") as stream:
            for line in stream:
                yield line.rstrip("\r\n").split(table.separator)
    except UnicodeDecodeError as error:
        raise Refused(f"{path.name}: not {table.encoding}") from error
