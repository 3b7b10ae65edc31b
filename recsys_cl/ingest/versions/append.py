"""Logs into a data set: read, judged, without what it holds already, and committed as its next version or not at all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory, gettempdir
from typing import Any

import pyarrow.parquet as pq

from recsys_cl.core.files import commit_folder, digest_file, digest_json, storage_fault, write_json
from recsys_cl.ingest.engine import engine
from recsys_cl.ingest.ingestion import Outputs, ingest
from recsys_cl.ingest.settings import Ingest
from recsys_cl.ingest.versions.account import COUNTS, counted_before, summary
from recsys_cl.ingest.versions.compare import compare
from recsys_cl.ingest.versions.gc import sweep
from recsys_cl.ingest.versions.inputs import Found, Reading, foreign, refuse_changed
from recsys_cl.ingest.versions.lock import writing
from recsys_cl.ingest.versions.manifest import (
    PART,
    Input,
    Part,
    PartName,
    Version,
    check_file,
    content_digest,
    latest,
    part_folder,
    read_part,
    write_version,
)
from recsys_cl.ingest.versions.part import QUARANTINE, ROWS, describe, subtract

Seen = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Request:
    """What to bring in, and how it is to be read."""

    files: Sequence[Found]
    columns: Mapping[str, str]
    settings: Ingest
    delimiter: str | None = None  # of delimited text; None: found out for each file
    allowance: int = 0  # microseconds by which an event may be older than the watermark and not be late


def append(folder: Path, request: Request, seen: Seen, *, wait: bool = False) -> dict[str, Any]:
    """Bring files into the data set at ``folder``; returns the account of them and the state after.

    ``rows_in = rows_kept + rows_quarantined + rows_deduplicated`` are of these files, and so are ``late`` and ``drift``;
    ``rows, users, items, first, last, digest, version`` are of the data set. Files that it holds already are counted and
    not read again. Nothing new, nothing committed: the version stays.

    Raises:
        Refused: the input cannot be used; nothing is committed.
        Unavailable: another writer, disk or memory.
    """
    files = foreign(folder, request.files)
    with writing(folder, wait=wait) as scratch:
        sweep(folder)
        before = latest(folder)
        parts = [] if before is None else [(named.name, read_part(folder, named)) for named in before.parts]
        known = {each.address: each for _, part in parts for each in part.inputs}
        fresh = [file for file in files if file.address not in known]
        counts = counted_before([known[file.address] for file in files if file.address in known])
        if before is not None and not fresh:
            return summary(folder, before, counts, None, [])
        part, added, layouts = _make(folder, scratch, parts, before, fresh, request, seen)
        after = _commit(folder, scratch / "part", part, before, request)
        return summary(folder, after, counts + added, part, layouts)


def check(request: Request, seen: Seen) -> dict[str, Any]:
    """The account that an empty data set would give, and the first bad rows; nothing is kept."""
    with _temporary() as scratch:
        found = append(Path(scratch) / "set", request, seen)
        bad = pq.read_table(found.pop("quarantine"), page_checksum_verification=True).slice(0, 5).to_pylist()
    return {key: value for key, value in found.items() if key not in ("path", "version", "drift", "late")} | {"problems": bad}


@contextmanager
def _temporary() -> Iterator[str]:
    """A folder where the system keeps such ones (``TMPDIR``)."""
    try:
        with TemporaryDirectory(prefix="recsys-cl-", ignore_cleanup_errors=True) as scratch:
            yield scratch
    except OSError as error:
        raise storage_fault(Path(error.filename or gettempdir()), error) from error


def _make(
    folder: Path,
    scratch: Path,
    parts: Sequence[tuple[str, Part]],
    before: Version | None,
    files: Sequence[Found],
    request: Request,
    seen: Seen,
) -> tuple[Part, Counter[str], list[dict[str, Any]]]:
    """Write the next part's files; returns what it is made of, the account of the files and how they were read."""
    new, reading, settings = scratch / "part", Reading(files, request.columns, request.delimiter), request.settings
    new.mkdir()
    out = Outputs(scratch / "read.parquet", scratch / "items.parquet", new / QUARANTINE)
    account = ingest(reading.open(scratch), settings, scratch, out, seen)
    refuse_changed(files)
    first, last = (_microseconds(account[end]) for end in ("first", "last"))
    older = _overlapping(folder, parts, first, last)
    with engine(scratch, settings.memory_limit, settings.threads) as run:
        repeated = subtract(run, out.interactions, older, new / ROWS)
        watermark = None if before is None else before.last - request.allowance
        part = describe(run, new, _inputs(reading, new / QUARANTINE), watermark)
    counts = Counter({name: account[name] for name in COUNTS})
    counts.update({"rows_kept": -repeated, "rows_deduplicated": repeated})
    return part, counts, reading.layouts


def _overlapping(folder: Path, parts: Sequence[tuple[str, Part]], first: int, last: int) -> list[Path]:
    """The rows of the parts that can hold an event between ``first`` and ``last``, each found to be whole."""
    paths = []
    for name, part in parts:
        if part.first is not None and part.last is not None and part.first <= last and part.last >= first:
            path = part_folder(folder, name) / ROWS
            check_file(path, part.files[ROWS])
            paths.append(path)
    return paths


def _commit(folder: Path, scratch: Path, part: Part, before: Version | None, request: Request) -> Version:
    """Put the part in its place, and then let the version that names it appear."""
    number = 1 if before is None else before.number + 1
    with engine(scratch.parent, request.settings.memory_limit, request.settings.threads) as run:
        users, items, drift = compare(run, folder, before, scratch, part)
    write_json(scratch / PART, part.model_dump(mode="json"))
    sha256 = digest_file(scratch / PART)
    named = PartName(name=f"{number:08d}-{digest_json(sha256)[:12]}", sha256=sha256)
    commit_folder(scratch, part_folder(folder, named.name))
    rows = part.rows + (0 if before is None else before.rows)
    summed = (int(part.sum, 16) + (0 if before is None else int(before.sum, 16))) % (1 << 128)
    times = [t for t in (part.first, part.last, *((before.first, before.last) if before else ())) if t is not None]
    after = Version(
        number=number,
        committed=datetime.now(UTC).isoformat(timespec="seconds"),
        rows=rows,
        users=users,
        items=items,
        first=min(times),
        last=max(times),
        late=part.late,
        sum=f"{summed:032x}",
        digest=content_digest(rows, summed),
        drift=drift,
        parts=(*(before.parts if before else ()), named),
    )
    write_version(folder, after)
    return after


def _inputs(reading: Reading, quarantine: Path) -> list[Input]:
    bad = Counter(pq.read_table(quarantine, columns=["file"])["file"].to_pylist())
    return [
        Input(
            address=file.address,
            name=file.path.name,
            sha256=file.sha256,
            rows=reading.rows[str(file.path)],
            quarantined=bad[str(file.path)],
        )
        for file in reading.files
    ]


def _microseconds(iso_time: str) -> int:
    since = datetime.fromisoformat(iso_time) - datetime(1970, 1, 1, tzinfo=UTC)
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds
