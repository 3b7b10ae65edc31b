"""Parquet files opened with care: page checksums verified, and every way to be unreadable is one sentence."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from recsys_cl.core.errors import Refused
from recsys_cl.core.files import read_fault

ROWS = 1 << 17  # rows in a batch
_BUFFER = 1 << 20  # bytes read at a time, of each column


def parquet_schema(path: Path) -> pa.Schema:
    """The columns and types of a file."""
    with _opened(path) as file:
        schema = file.schema_arrow
        schema.names  # noqa: B018 - they are decoded only now, and may be no text
        return schema


def parquet_batches(path: Path, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
    """The file's rows in order, ``columns`` only."""
    with _opened(path) as file:
        yield from file.iter_batches(batch_size=ROWS, columns=list(columns), use_threads=False)


@contextmanager
def _opened(path: Path) -> Iterator[pq.ParquetFile]:
    try:
        if path.stat().st_size == 0:
            raise Refused(f"{path}: the file is empty")
        # Without pre_buffer and with a small buffer, memory does not grow with the file or its row groups.
        with pq.ParquetFile(
            path,
            page_checksum_verification=True,
            coerce_int96_timestamp_unit="us",
            pre_buffer=False,
            buffer_size=_BUFFER,
        ) as file:
            yield file
    except OSError as error:
        if error.errno is not None:
            raise read_fault(path, error) from error
        raise Refused(f"{path}: not readable as Parquet: {_first_line(error)}") from error
    except (pa.ArrowException, UnicodeDecodeError) as error:
        raise Refused(f"{path}: not readable as Parquet: {_first_line(error)}") from error


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0][:200]
