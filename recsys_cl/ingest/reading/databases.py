"""A table of a database, looked at through Ibis; its rows come in batches."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pyarrow as pa

from recsys_cl.core.errors import RecsysError, Refused, Unavailable, nearest
from recsys_cl.ingest.reading.locate import existing
from recsys_cl.ingest.reading.tables import ROWS

if TYPE_CHECKING:
    import ibis.expr.datatypes as dt
    import ibis.expr.types as ir

FILES = {"duckdb": ".wal", "sqlite": "-wal"}
"""The schemes of databases that are one file, and what the name of the log of its newest changes ends in."""

Reader = Callable[["ir.Table"], Iterator[pa.RecordBatch]]


def database_files(url: str) -> list[Path]:
    """The database, where it is a file, and beside it what was written since and is not yet in it."""
    ending = FILES.get(url.partition("://")[0])
    if ending is None:
        return []
    database = existing(_place(url))
    newer = database.with_name(database.name + ending)
    return [database, newer] if newer.is_file() and newer.stat().st_size > 0 else [database]  # a reader may leave an empty one


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
    """Past Ibis's own reading, by way of pandas, which rounds long ids and takes epoch numbers for microseconds.

    Whatever a column is declared, SQLite keeps any value in it; so all but fractions come as text, as from a file of text.
    Opened for reading alone, because to close a database otherwise may write to it.
    """
    import sqlite3

    import ibis

    place = f"file:{quote(str(Path(existing(_place(url))).absolute()))}?mode=ro"
    with closing(sqlite3.connect(place, uri=True)) as connection:
        backend = ibis.sqlite.from_connection(connection)
        _check(url, table, backend.list_tables())
        connection.text_factory = _utf8

        def read(rows: ir.Table) -> Iterator[pa.RecordBatch]:
            schema = rows.schema().to_pyarrow()
            found = connection.execute(str(ibis.to_sql(rows, dialect="sqlite")))
            while several := found.fetchmany(ROWS):
                columns = zip(zip(*several, strict=True), schema, strict=True)
                yield pa.RecordBatch.from_arrays([_plain(values, field) for values, field in columns], schema=schema)

        kinds = {name: _kept(kind) for name, kind in backend.get_schema(table).items()}
        yield ibis.table(kinds, name=table), read


def _kept(kind: dt.DataType) -> dt.DataType | str:
    """What a declared type is read as."""
    texts = kind.is_string() or kind.is_integer() or kind.is_temporal() or kind.is_binary() or kind.is_null()
    return "string" if texts else "float64" if kind.is_decimal() else kind


def _plain(values: tuple[Any, ...], field: pa.Field) -> pa.Array:
    """A column of SQLite's values; a number as text is its digits, and a fraction where none is declared is refused."""
    if not pa.types.is_string(field.type):
        return pa.array(values, field.type)
    if float in set(map(type, values)):
        raise TypeError(f"column '{field.name}': a fraction, where text or an integer is needed")
    return pa.array([str(each) if type(each) is int else _utf8(each) for each in values], field.type)


def _utf8(value: Any) -> Any:
    return value.decode("utf-8") if type(value) is bytes else value


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
