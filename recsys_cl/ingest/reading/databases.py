"""A table of a database, looked at through Ibis; its rows come in batches."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from recsys_cl.core.errors import RecsysError, Refused, Unavailable, nearest
from recsys_cl.ingest.reading.locate import existing
from recsys_cl.ingest.reading.tables import ROWS

if TYPE_CHECKING:
    import ibis.expr.types as ir

FILES = ("duckdb", "sqlite")
"""The schemes of databases that are one file."""

Reader = Callable[["ir.Table"], Iterator[pa.RecordBatch]]


@contextmanager
def database_table(url: str, table: str) -> Iterator[tuple[ir.Table, Reader]]:
    """The table, unread, and what reads an expression over it, on the thread that opened it.

    Raises:
        Refused: no such file or table, or a value that is not of its column's type.
        Unavailable: the database does not answer, or its driver is not installed.
    """
    open_it = {"duckdb": _duckdb, "sqlite": _sqlite}.get(url.partition("://")[0], _any)
    with _faults(f"{url}, table '{table}'"), open_it(url, table) as opened:
        yield opened


@contextmanager
def _duckdb(url: str, table: str) -> Iterator[tuple[ir.Table, Reader]]:
    """Past Ibis's own connection, which asks DuckDB 2 for a method that it no longer has."""
    import duckdb
    import ibis

    with duckdb.connect(existing(_place(url)), read_only=True) as connection:
        _check(url, table, [name for name, *_ in connection.sql("SHOW TABLES").fetchall()])
        schema = connection.table(f'"{table}"').limit(0).to_arrow_table().schema

        def read(rows: ir.Table) -> Iterator[pa.RecordBatch]:
            yield from connection.sql(str(ibis.to_sql(rows, dialect="duckdb"))).to_arrow_reader(ROWS)

        yield ibis.table(ibis.Schema.from_pyarrow(schema), name=table), read


@contextmanager
def _sqlite(url: str, table: str) -> Iterator[tuple[ir.Table, Reader]]:
    import ibis

    with _connected(ibis.sqlite.connect(existing(_place(url))), url, table) as opened:
        yield opened


@contextmanager
def _any(url: str, table: str) -> Iterator[tuple[ir.Table, Reader]]:
    import ibis

    with _connected(ibis.connect(url), url, table) as opened:
        yield opened


@contextmanager
def _connected(backend: Any, url: str, table: str) -> Iterator[tuple[ir.Table, Reader]]:
    try:
        _check(url, table, backend.list_tables())
        yield backend.table(table), lambda rows: rows.to_pyarrow_batches(chunk_size=ROWS)
    finally:
        backend.disconnect()


def _place(url: str) -> str:
    return url.partition("://")[2]


def _check(url: str, table: str, names: list[str]) -> None:
    if table not in names:
        raise Refused(f"ingest.source.table: no '{table}' in {url}; {nearest(table, names)}")


@contextmanager
def _faults(name: str) -> Iterator[None]:
    """What a driver says in one sentence: values that are not of their column's type are the table's fault."""
    try:
        yield
    except (RecsysError, GeneratorExit):
        raise
    except (pa.ArrowException, ValueError, TypeError) as error:
        raise Refused(f"{name}: holds a value that is not of its column's type: {str(error).partition(chr(10))[0]}") from error
    except Exception as error:
        raise Unavailable(f"{name}: {type(error).__name__}: {str(error).partition(chr(10))[0]}") from error
