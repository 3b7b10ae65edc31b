"""One call from a file's bytes to the tables that ingestion makes of it."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from recsys_cl.core.protocols import Job
from recsys_cl.core.settings import Component
from recsys_cl.ingest.settings import Ingest
from recsys_cl.stages.ingest import IngestStage


@dataclass(frozen=True, slots=True, eq=False)
class Ingested:
    """What lies in the scratch folder after a run."""

    folder: Path
    account: dict[str, Any]

    def rows(self, *columns: str) -> list[tuple[Any, ...]]:
        """The interactions, in order."""
        table = pq.read_table(self.folder / "interactions", page_checksum_verification=True)
        return list(zip(*(table[name].to_pylist() for name in columns or table.column_names), strict=True))

    def bad(self) -> list[tuple[int, str, str]]:
        """(line, field, reason) of the quarantine."""
        return [(row["line"], row["field"], row["reason"]) for row in pq.read_table(self.folder / "quarantine").to_pylist()]

    def items(self) -> pa.Table:
        """The item table."""
        return pq.read_table(self.folder / "items")


class IngestRunner:
    """Writes files into a folder of its own and ingests them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def file(self, name: str, content: str | bytes | pa.Table) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, pa.Table):
            pq.write_table(content, path)
        else:
            path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    def __call__(self, use: str, path: Any, *, contract: dict[str, Any] | None = None, **arguments: Any) -> Ingested:
        job = Job(reads={}, scratch=Path(tempfile.mkdtemp(dir=self.folder)), fingerprint="x")
        folder = job.out("interactions").parent
        given = arguments if path is None else {"path": path, **arguments}
        settings = Ingest(source=Component(use=use, **given), **{"max_bad_fraction": 1.0, **(contract or {})})
        try:
            IngestStage(settings).run(job)
        finally:
            self.left = sorted(path.name for path in folder.iterdir())
        return Ingested(folder, json.loads((folder / "ingest_report").read_text()))

    def csv(self, content: str | bytes, **arguments: Any) -> Ingested:
        return self("csv", str(self.file("log.csv", content)), **arguments)


@pytest.fixture
def ingest(tmp_path: Path) -> IngestRunner:
    return IngestRunner(tmp_path)


@pytest.fixture(scope="session")
def fresh_ingest(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], IngestRunner]:
    """A runner with a folder of its own at each call, for examples that share one test."""
    return lambda: IngestRunner(tmp_path_factory.mktemp("ingest"))
