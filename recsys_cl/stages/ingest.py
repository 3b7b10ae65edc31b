"""The first stage: logs in, one Parquet schema out, with every row accounted for."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from recsys_cl.core.build import build, resolve
from recsys_cl.core.errors import Refused
from recsys_cl.core.files import digest_file, read_fault, storage_fault, write_json
from recsys_cl.ingest.ingestion import Outputs, ingest
from recsys_cl.ingest.reading.features import item_files
from recsys_cl.ingest.reading.item_table import clean_users, read_users
from recsys_cl.ingest.reading.layouts import grouped
from recsys_cl.ingest.reading.locate import existing
from recsys_cl.ingest.settings import Ingest
from recsys_cl.ingest.sorted_parquet import write_parquet

if TYPE_CHECKING:
    from recsys_cl.core.protocols import Job
    from recsys_cl.ingest.source import Source

_SLOT, _KEY = "ingest.sources", "ingest.source"


@dataclass(frozen=True)
class IngestStage:
    """Reads the source's files once and writes what the rest of the pipeline stands on.

    ``seed`` reaches, and fingerprints, only sources that ask for it: generated logs.
    """

    ingest: Ingest
    seed: int = 0
    name: str = "ingest"
    version: int = 7
    reads: tuple[str, ...] = ()
    writes: tuple[str, ...] = ("interactions", "items", "users", "quarantine", "ingest_report", "drift")

    @property
    def settings(self) -> Mapping[str, Any]:
        """The table ``[ingest]``, but for what cannot change the result."""
        values = self.ingest.model_dump(mode="json", exclude={"engine", "memory_limit", "threads"})
        chance = (
            {"seed": self.seed} if "seed" in inspect.signature(resolve(_SLOT, self.ingest.source.use, _KEY)).parameters else {}
        )
        return {**values, **chance}

    def outside(self) -> Mapping[str, str]:
        """SHA-256 of each file of the source, and of the user table, by its path."""
        paths = [*self._source.files(), *item_files(self.ingest.users, self.ingest.user_columns)]
        return {path.as_posix(): _digest(path) for path in paths}

    def run(self, job: Job) -> Mapping[str, float]:
        """Ingest; nothing is left in the scratch folder but the artifacts."""
        out = Outputs(job.out("interactions"), job.out("items"), job.out("quarantine"))
        try:
            with TemporaryDirectory(dir=job.scratch, ignore_cleanup_errors=True) as working, progress() as seen:
                log = self._source.read(Path(working))
                account = ingest(log, self.ingest, Path(working), out, seen) | self._users(job.out("users"))
            report = {**account, "digest": digest_file(out.interactions), "files": self._files(job)}
            report["layouts"] = grouped(log.files, log.layouts) if log.layouts else []
        except OSError as error:
            raise storage_fault(job.scratch, error) from error
        write_json(job.out("ingest_report"), report)
        write_json(job.out("drift"), dict(log.drift))
        return {name: float(value) for name, value in account.items() if isinstance(value, int)}

    def _users(self, path: Path) -> dict[str, int]:
        """Write what is known of users besides their events; a table of nobody where none is given."""
        if self.ingest.users is None:
            write_parquet(path, pa.schema([("user_id", pa.string())]), iter(()))
            return {}
        users, dropped = clean_users(read_users(existing(self.ingest.users), self.ingest.user_columns))
        return {"users_listed": write_parquet(path, users.schema, iter(users.to_batches())), **dropped}

    def _files(self, job: Job) -> dict[str, str]:
        """The files as they are after they were read: those that the fingerprint is of, or the result is not its."""
        now = dict(self.outside())
        before = now if job.outside is None else job.outside
        for path in sorted(now.keys() | before.keys()):
            if now.get(path) != before.get(path):
                raise Refused(f"{path}: changed while it was being read; ingest it when it is complete")
        return now

    @cached_property
    def _source(self) -> Source:
        """The same for the fingerprint and for reading, so that a data set's newest version is one to both."""
        source: Source = build(_SLOT, self.ingest.source, _KEY, seed=self.seed)
        return source


def _digest(path: Path) -> str:
    try:
        return digest_file(path)
    except OSError as error:
        raise read_fault(path, error) from error


@contextmanager
def progress() -> Iterator[Callable[[int], None]]:
    """Rows read so far, on a terminal; nothing where nobody looks."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (SpinnerColumn(), TextColumn("ingest {task.completed:,.0f} rows"), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("ingest", total=None)
        yield lambda rows: bar.advance(task, rows)
