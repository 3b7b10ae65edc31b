"""One hostile input and what the contract says of it: which rows are kept, which are bad and where, or why all is refused."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from recsys_cl.core.errors import Refused

HEADER = "user_id,item_id,timestamp\n"
GOOD = "u,i,1\n"
ROW = ("u", "i", 1)

Content = str | bytes | pa.Table | Callable[[Path], None]
Bad = tuple[int, str, str]  # line, field, what its reason must match
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, eq=False)
class Case:
    """What is written to disk and what must come of it."""

    name: str
    files: Mapping[str, Content]
    rows: Sequence[tuple[Any, ...]] = ()  # (user, item, seconds after 1970) in order of time
    bad: Sequence[Bad] = ()
    repeated: int = 0
    refused: str = ""  # what the refusal must match
    path: str = ""  # what is ingested, if it is not the only file
    use: str = ""  # the source, if the first file's ending does not say it
    arguments: Mapping[str, Any] = field(default_factory=dict)
    contract: Mapping[str, Any] = field(default_factory=dict)

    @property
    def source(self) -> str:
        name = next(iter(self.files))
        return self.use or ("jsonl" if "json" in name else "parquet" if "parquet" in name else "csv")


def csv(name: str, content: str | bytes, *rows: tuple[Any, ...], **more: Any) -> Case:
    return Case(name, {"log.csv": content}, rows, **more)


def jsonl(name: str, content: str | bytes, *rows: tuple[Any, ...], **more: Any) -> Case:
    return Case(name, {"log.jsonl": content}, rows, **more)


def parquet(name: str, content: Content, *rows: tuple[Any, ...], **more: Any) -> Case:
    return Case(name, {"log.parquet": content}, rows, **more)


def write(folder: Path, files: Mapping[str, Content]) -> None:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if callable(content):
            content(path)
        elif isinstance(content, pa.Table):
            pq.write_table(content, path)
        else:
            path.write_bytes(content.encode() if isinstance(content, str) else content)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of an input; ``refused`` and the reasons of ``bad`` are words, or the pattern that says them."""

    rows: tuple[tuple[Any, ...], ...] = ()
    bad: tuple[Bad, ...] = ()
    repeated: int = 0
    refused: str = ""

    def __eq__(self, other: object) -> bool:
        """The same rows, lines and fields; and the expected pattern is found in each sentence."""
        if not isinstance(other, Outcome):
            return NotImplemented
        if (self.rows, self.repeated, bool(self.refused)) != (other.rows, other.repeated, bool(other.refused)):
            return False
        if [bad[:2] for bad in self.bad] != [bad[:2] for bad in other.bad]:
            return False
        said = [
            (self.refused, other.refused),
            *((mine[2], theirs[2]) for mine, theirs in zip(self.bad, other.bad, strict=True)),
        ]
        return all(re.search(pattern, sentence) for sentence, pattern in said)

    __hash__ = None  # type: ignore[assignment]


def expected(case: Case) -> Outcome:
    """What the contract says of the case."""
    return Outcome(tuple(case.rows), tuple(case.bad), case.repeated, case.refused)


def outcome(case: Case, ingest: Any) -> Outcome:
    """Run the case; whatever comes, every row is accounted for."""
    write(ingest.folder, case.files)
    path = str(ingest.folder / (case.path or next(iter(case.files))))
    try:
        done = ingest(case.source, path, contract=dict(case.contract), **case.arguments)
    except Refused as error:
        return Outcome(refused=str(error))
    account = done.account
    assert account["rows_in"] == account["rows_kept"] + account["rows_quarantined"] + account["rows_deduplicated"]
    assert account["rows_quarantined"] == len(done.bad())
    return Outcome(tuple(_kept(done)), tuple(done.bad()), account["rows_deduplicated"])


def _kept(done: Any) -> list[tuple[Any, ...]]:
    rows = done.rows("user_id", "item_id", "timestamp")
    return [(user, item, (time - _EPOCH) / timedelta(seconds=1)) for user, item, time in rows]
