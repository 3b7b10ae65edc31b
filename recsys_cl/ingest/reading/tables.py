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


def coded_columns(path: Path) -> set[str]:
    """The columns that the file holds as dictionaries and indices everywhere, or plainly where a dictionary grew too large."""
    with _opened(path) as file:
        found, groups = file.metadata, range(file.metadata.num_row_groups)
        columns = [[found.row_group(group).column(number) for group in groups] for number in range(found.num_columns)]
        return {chunks[0].path_in_schema for chunks in columns if chunks and all(_is_coded(chunk) for chunk in chunks)}


def _is_coded(chunk: pq.ColumnChunkMetaData) -> bool:
    return chunk.has_dictionary_page and not any("DELTA" in name or "SPLIT" in name for name in chunk.encodings)


def parquet_batches(path: Path, columns: Sequence[str], coded: Sequence[str] = ()) -> Iterator[pa.RecordBatch]:
    """The file's rows in order, ``columns`` only; those in ``coded`` as each batch's distinct values and indices to them."""
    with _opened(path, coded) as file:
        yield from file.iter_batches(batch_size=ROWS, columns=list(columns), use_threads=False)


@contextmanager
def _opened(path: Path, coded: Sequence[str] = ()) -> Iterator[pq.ParquetFile]:
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
            read_dictionary=list(coded),
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
