"""Rows of a batch become visible all at once: one Parquet file, or a folder of them with a checksum for each."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from recsys_cl.core.errors import Refused
from recsys_cl.core.files import atomic_write, commit_folder, make_folder, storage_fault
from recsys_cl.serving.manifest import write_manifest

if TYPE_CHECKING:
    import pyarrow

MANIFEST = "_manifest.json"
"""Of a folder of parts; readers of Parquet folders pass over names that begin with an underscore."""

GROUP = 400_000  # rows of a row group
_PART = 4_000_000  # rows after which a part is closed

Write = Callable[["pyarrow.Table"], None]


@contextmanager
def sink(out: Path) -> Iterator[Write]:
    """Where to write tables of one schema; ``out`` appears, or is replaced, when the block ends well, and not before.

    ``NAME.parquet`` is one file. Any other name is a folder of ``part-00000.parquet``, … in the order written, with
    `MANIFEST`.

    Raises:
        Refused: ``out`` is a folder of something else.
        Unavailable: it cannot be written.
    """
    with (_one_file if out.suffix == ".parquet" else _folder)(out) as write:
        yield write


@contextmanager
def _one_file(out: Path) -> Iterator[Write]:
    if out.is_dir():
        raise Refused(f"{out}: is a folder; a name that does not end in .parquet makes one of parts")
    with atomic_write(out) as stream, ExitStack() as opened:
        yield _writing(stream, opened)


@contextmanager
def _folder(out: Path) -> Iterator[Write]:
    if out.exists() and not (out / MANIFEST).is_file():
        raise Refused(f"{out}: exists and is no folder of recommendations, so it is not replaced")
    scratch = out.with_name(f".{out.name}.{os.getpid()}.tmp")
    try:
        make_folder(scratch)
        with ExitStack() as opened:
            parts = _Parts(scratch, opened)
            yield parts.write
        write_manifest(scratch, MANIFEST)
        commit_folder(scratch, out, instead=True)
    except OSError as error:
        raise storage_fault(out, error) from error
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


class _Parts:
    """Numbered files, a new one when the last has enough rows."""

    def __init__(self, folder: Path, opened: ExitStack) -> None:
        self._folder, self._opened = folder, opened
        self._number, self._rows = 0, _PART
        self._write: Write | None = None

    def write(self, table: pyarrow.Table) -> None:
        """Add rows."""
        if self._write is None or self._rows >= _PART:
            self._opened.close()
            stream = self._opened.enter_context((self._folder / f"part-{self._number:05}.parquet").open("wb"))
            self._write, self._number, self._rows = _writing(stream, self._opened), self._number + 1, 0
        self._write(table)
        self._rows += table.num_rows


def _writing(stream: IO[Any], opened: ExitStack) -> Write:
    """Writes tables to ``stream`` as one Parquet file with page checksums, complete when ``opened`` closes."""
    from pyarrow import parquet

    writers: list[parquet.ParquetWriter] = []

    def write(table: pyarrow.Table) -> None:
        if not writers:
            writers.append(opened.enter_context(parquet.ParquetWriter(stream, table.schema, write_page_checksum=True)))
        writers[0].write_table(table, row_group_size=GROUP)

    return write
