"""DuckDB, embedded: runs within a memory limit and spills to a folder of its own.

What Ibis cannot say here is said by macros: the bytes of a text, the microseconds of a time, a number that tells rows apart.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from glob import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from recsys_cl.core.errors import Unavailable
from recsys_cl.ingest.engine import ROW, Engine, Stream

if TYPE_CHECKING:
    import ibis.expr.operations as ops
    import ibis.expr.types as ir
    from duckdb import DuckDBPyConnection

_SAYINGS = (
    "CREATE TEMP MACRO recsys_byte_length(x) AS strlen(x)",
    "CREATE TEMP MACRO recsys_epoch_us(x) AS epoch_us(x)",
    "CREATE TEMP MACRO recsys_mixed(x, y) AS (hash(x, y) >> 1)::BIGINT",
)


class DuckDB:
    """Named tables and the expressions over them, in one connection."""

    def __init__(self, connection: DuckDBPyConnection) -> None:
        self._connection = connection

    def feed(self, name: str, batches: Iterator[pa.RecordBatch], schema: pa.Schema, expression: ir.Table) -> None:
        """Make a table of ``expression``, which reads ``batches``, once, as the table called ``name`` with ``_raw``."""
        stream = Stream(batches)
        self._connection.register(f"{name}_raw", pa.RecordBatchReader.from_batches(schema, stream))
        try:
            self.keep(name, expression)
        except Exception as error:
            raise stream.error or error from None
        finally:
            self._connection.unregister(f"{name}_raw")

    def keep(self, name: str, expression: ir.Table) -> ir.Table:
        """The rows of an expression, computed once, as the table called ``name``."""
        import ibis

        self._run(f'CREATE TEMP TABLE "{name}" AS {_sql(expression)}')
        return ibis.table(expression.schema(), name=name)

    def parquet(self, name: str, path: Path) -> ir.Table:
        """The rows of a Parquet file as the table called ``name``, each with its place in the file, ``ROW``."""
        import ibis

        with _faults():
            named = escape(str(path))  # a path, never a pattern, and never a place where columns are named
            relation = self._connection.read_parquet(named, file_row_number=True, hive_partitioning=False)
            relation.project(f'* EXCLUDE file_row_number, file_row_number AS "{ROW}"').create_view(name)
            schema = self._connection.table(name).limit(0).to_arrow_table().schema
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

    def all(self, expression: ir.Table) -> pa.Table:
        """The rows of an expression at once."""
        with _faults():
            return self._connection.sql(_sql(expression)).to_arrow_table()

    def _run(self, sql: str) -> DuckDBPyConnection:
        with _faults():
            return self._connection.execute(sql)


@contextmanager
def opened(scratch: Path, memory_limit: str, threads: int | None) -> Iterator[Engine]:
    """A database in memory whose spilled data lies in ``scratch``. It fetches nothing and opens no file but those given."""
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
        with _faults():
            for saying in _SAYINGS:
                connection.execute(saying)
        yield DuckDB(connection)
    finally:
        connection.close()


@contextmanager
def _faults() -> Iterator[None]:
    """Memory and disk that run out are the environment's fault, not the log's."""
    import duckdb

    try:
        yield
    except duckdb.OutOfMemoryException as error:
        raise Unavailable(f"ingest: memory_limit is too low: {str(error).partition(chr(10))[0]}") from error
    except duckdb.IOException as error:
        raise Unavailable(f"ingest: {str(error).partition(chr(10))[0]}") from error


def _sql(expression: ir.Table) -> str:
    return _written(expression.op())


@lru_cache(maxsize=512)  # tens of milliseconds a statement, and who ingests again asks for the same ones
def _written(operation: ops.Node) -> str:
    import ibis

    return str(ibis.to_sql(operation.to_expr(), dialect="duckdb"))
