"""A data set in a folder of its own, and logs to bring into it."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from recsys_cl.ingest.versions.append import Request, append
from recsys_cl.ingest.versions.inputs import find
from recsys_cl.ingest.versions.manifest import part_folder, read_version
from recsys_cl.ingest.versions.options import settings
from recsys_cl.ingest.versions.part import ROWS

HEADER = "user_id,item_id,timestamp\n"
Row = tuple[str, str, int]


class Keeper:
    """Writes logs beside a data set and brings them in."""

    def __init__(self, folder: Path) -> None:
        self.logs, self.set = folder / "logs", folder / "set"
        self.logs.mkdir()

    def log(self, name: str, content: str | bytes | Iterable[Row]) -> Path:
        path = self.logs / name
        if isinstance(content, bytes):
            path.write_bytes(content)
        else:
            path.write_text(content if isinstance(content, str) else HEADER + "".join(f"{u},{i},{t}\n" for u, i, t in content))
        return path

    def request(self, *paths: Path, columns: dict[str, str] | None = None, allowance: int = 0, **contract: Any) -> Request:
        chosen = settings({"threads": 1, **contract})
        return Request(
            find([str(path) for path in paths], "auto", columns or {}, chosen), columns or {}, chosen, allowance=allowance
        )

    def add(self, *paths: Path, into: str = "set", **options: Any) -> dict[str, Any]:
        summary = append(self.set.with_name(into), self.request(*paths, **options), lambda _: None)
        assert summary["rows_in"] == sum(summary[f"rows_{name}"] for name in ("kept", "quarantined", "deduplicated"))
        return summary

    def rows(
        self, columns: Sequence[str] = ("user_id", "item_id", "timestamp"), number: int | None = None
    ) -> list[tuple[Any, ...]]:
        """What a version holds, sorted."""
        found: list[tuple[Any, ...]] = []
        for named in read_version(self.set, number).parts:
            table = pq.read_table(part_folder(self.set, named.name) / ROWS, page_checksum_verification=True)
            times = table["timestamp"].cast(pa.int64()) if "timestamp" in columns else None
            values = [(times if name == "timestamp" else table[name]).to_pylist() for name in columns]
            found.extend(zip(*values, strict=True))
        return sorted(found)


@pytest.fixture
def keeper(tmp_path: Path) -> Keeper:
    return Keeper(tmp_path)


def log_of(count: int, seed: int = 1) -> list[Row]:
    """A made-up log over some weeks, a tenth of it repeated."""
    rng = random.Random(seed)
    rows = [(f"u{rng.randrange(40)}", f"i{rng.randrange(60)}", 1_600_000_000 + rng.randrange(3_000_000)) for _ in range(count)]
    return rows + rng.sample(rows, count // 10)
