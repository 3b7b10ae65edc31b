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
import pytest

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


def check(case: Case, ingest: Any) -> None:
    """Run the case; whatever comes, every row is accounted for and nothing half-made is left."""
    write(ingest.folder, case.files)
    path = str(ingest.folder / (case.path or next(iter(case.files))))
    arguments = {"contract": dict(case.contract), **case.arguments}
    if case.refused:
        with pytest.raises(Refused, match=case.refused):
            ingest(case.source, path, **arguments)
        return
    done = ingest(case.source, path, **arguments)
    account = done.account
    assert account["rows_in"] == account["rows_kept"] + account["rows_quarantined"] + account["rows_deduplicated"]
    assert _kept(done) == list(case.rows)
    found = done.bad()
    assert [bad[:2] for bad in found] == [bad[:2] for bad in case.bad], found
    for (_, _, reason), (_, _, pattern) in zip(found, case.bad, strict=True):
        assert re.search(pattern, reason), (reason, pattern)
    assert account["rows_quarantined"] == len(case.bad)
    assert account["rows_deduplicated"] == case.repeated


def _kept(done: Any) -> list[tuple[Any, ...]]:
    rows = done.rows("user_id", "item_id", "timestamp")
    return [(user, item, (time - _EPOCH) / timedelta(seconds=1)) for user, item, time in rows]
