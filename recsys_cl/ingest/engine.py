"""The embedded engine: Ibis expressions run by DuckDB, within a memory limit, spilling to a folder of its own.

What Ibis cannot say stands here too, as functions of the engine's own: bytes of a text, microseconds of a time.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from recsys_cl.core.errors import RecsysError, Unavailable

if TYPE_CHECKING:
    import ibis.expr.types as ir
    from duckdb import DuckDBPyConnection


class Engine:
    """Named tables and the expressions over them. Rows have no order but that of an expression's ``order_by``."""

    def __init__(self, connection: DuckDBPyConnection) -> None:
        self._connection = connection

    def feed(self, name: str, batches: Iterator[pa.RecordBatch], schema: pa.Schema, expression: ir.Table) -> None:
        """Make a table of ``expression``, which reads ``batches``, once, as the table called ``name`` with ``_raw``."""
        stream = _Stream(batches)
        self._connection.register(f"{name}_raw", pa.RecordBatchReader.from_batches(schema, stream))
        try:
            self._run(f'CREATE TEMP TABLE "{name}" AS {_sql(expression)}')
        except Exception as error:
            raise stream.error or error from None
        finally:
            self._connection.unregister(f"{name}_raw")

    def parquet(self, name: str, path: Path) -> ir.Table:
        """The rows of a Parquet file as the table called ``name``, each with its ``file_row_number``."""
        import ibis

        with _faults():
            relation = self._connection.read_parquet(str(path), file_row_number=True)
            relation.create_view(name)
            schema = relation.limit(0).to_arrow_table().schema
        return ibis.table(ibis.Schema.from_pyarrow(schema), name=name)

    def table(self, name: str, rows: pa.Table) -> ir.Table:
        """Rows in memory as the table called ``name``."""
        import ibis

        self._connection.register(name, rows)
        return ibis.table(ibis.Schema.from_pyarrow(rows.schema), name=name)

    def one(self, expression: ir.Table) -> dict[str, Any]:
        """The only row of an aggregation."""
        (row,) = self._run(_sql(expression)).fetchall()
        return dict(zip(expression.columns, row, strict=True))

    def stream(self, expression: ir.Table) -> Iterator[pa.RecordBatch]:
        """The rows of an expression, up to a million at a time."""
        with _faults():
            yield from self._connection.sql(_sql(expression)).to_arrow_reader(1 << 20)

    def _run(self, sql: str) -> DuckDBPyConnection:
        with _faults():
            return self._connection.execute(sql)

    def all(self, expression: ir.Table) -> pa.Table:
        """The rows of an expression at once."""
        with _faults():
            return self._connection.sql(_sql(expression)).to_arrow_table()


@contextmanager
def engine(scratch: Path, memory_limit: str, threads: int | None) -> Iterator[Engine]:
    """An engine whose spilled data lies in ``scratch``. It fetches nothing and opens no file but those given."""
    import duckdb

    settings: dict[str, Any] = {
        "memory_limit": memory_limit,
        "temp_directory": str(scratch / "spilled"),
        "preserve_insertion_order": "false",
        "autoinstall_known_extensions": "false",
        "autoload_known_extensions": "false",
    } | ({} if threads is None else {"threads": threads})
    connection = duckdb.connect(":memory:", config=settings)
    try:
        yield Engine(connection)
    finally:
        connection.close()


@contextmanager
def _faults() -> Iterator[None]:
    """Memory and disk that run out are the environment's fault, not the log's."""
    import duckdb

    try:
        yield
    except (duckdb.OutOfMemoryException, duckdb.IOException) as error:
        raise Unavailable(f"ingest: {str(error).partition(chr(10))[0]}") from error


class _Stream:
    """Batches on their way into the engine; an error of ours on the way is kept, since the engine would only quote it."""

    def __init__(self, batches: Iterator[pa.RecordBatch]) -> None:
        self._batches = batches
        self.error: RecsysError | None = None

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        try:
            yield from self._batches
        except RecsysError as error:
            self.error = error
            raise


def byte_length(text: ir.StringValue) -> ir.IntegerValue:
    """The length of a text in bytes of UTF-8."""
    return _builtin("strlen", "string", text)


def epoch_microseconds(time: ir.TimestampValue) -> ir.IntegerValue:
    """Microseconds after 1970, exactly."""
    return _builtin("epoch_us", "timestamp", time)


def _builtin(name: str, takes: str, value: ir.Value) -> ir.IntegerValue:
    import ibis

    def function(x: object) -> int:  # only its name and signature are used
        raise AssertionError(f"the engine computes this, not Python: {x}")

    function.__name__ = name
    return ibis.udf.scalar.builtin(function, signature=((takes,), "int64"))(value)


def _sql(expression: ir.Table) -> str:
    import ibis

    return str(ibis.to_sql(expression, dialect="duckdb"))
