"""What the relational half of ingestion asks of an engine; the expressions are Ibis, written once for all of them.

An engine is one file in ``engines/``. It answers to what stands here, and gives the few functions that Ibis has no word
for (``byte_length``, ``epoch_microseconds``, ``mixed``) a meaning in its own dialect.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

from recsys_cl.core.errors import RecsysError, Refused

if TYPE_CHECKING:
    import ibis.expr.types as ir
    import pyarrow as pa

Kind = Literal["duckdb", "spark"]

ROW = "file_row_number"
"""The column that says where in its file a row of ``Engine.parquet`` stands, from 0."""


class Engine(Protocol):
    """Named tables and the expressions over them. Rows have no order but that of an expression's ``order_by``."""

    def feed(self, name: str, batches: Iterator[pa.RecordBatch], schema: pa.Schema, expression: ir.Table) -> None:
        """Make a table of ``expression``, which reads ``batches``, once, as the table called ``name`` with ``_raw``."""
        ...

    def keep(self, name: str, expression: ir.Table) -> ir.Table:
        """The rows of an expression, computed once, as the table called ``name``."""
        ...

    def parquet(self, name: str, path: Path) -> ir.Table:
        """The rows of a Parquet file as the table called ``name``, each with its place in the file, ``ROW``."""
        ...

    def table(self, name: str, rows: pa.Table) -> ir.Table:
        """Rows in memory as the table called ``name``."""
        ...

    def one(self, expression: ir.Table) -> dict[str, Any]:
        """The only row of an aggregation."""
        ...

    def stream(self, expression: ir.Table) -> Iterator[pa.RecordBatch]:
        """The rows of an expression in bounded batches."""
        ...

    def all(self, expression: ir.Table) -> pa.Table:
        """The rows of an expression at once."""
        ...


def engine(scratch: Path, memory_limit: str, threads: int | None, kind: Kind = "duckdb") -> AbstractContextManager[Engine]:
    """An engine whose spilled data lies in ``scratch``.

    Args:
        scratch: an empty folder.
        memory_limit: beyond it the embedded engine spills; a cluster has its own bounds.
        threads: None: every core. No result depends on it.
        kind: which engine, by the name of its file.

    Raises:
        Refused: a name of the folder that is no text.
        Unavailable: the engine is not installed.
    """
    try:
        str(scratch.absolute()).encode()
    except UnicodeEncodeError as error:
        raise Refused(
            f"{scratch.parent}: its name is no UTF-8 text, which no engine can work in; choose another folder"
        ) from error
    opened: AbstractContextManager[Engine] = import_module(f"recsys_cl.ingest.engines.{kind}").opened(
        scratch, memory_limit, threads
    )
    return opened


class Stream:
    """Batches on their way into an engine; an error of ours on the way is kept, since the engine would only quote it."""

    def __init__(self, batches: Iterator[pa.RecordBatch]) -> None:
        self._batches = batches
        self.error: RecsysError | None = None

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        try:
            yield from self._batches
        except RecsysError as error:
            self.error = error
            raise


def distinct(rows: ir.Table, column: str) -> ir.Table:
    """Each value of a column once. Ibis writes its own ``distinct`` wrongly for Spark where rows were filtered by others."""
    return rows.group_by(column).aggregate(rows=rows.count()).select(column)


def byte_length(text: ir.StringValue) -> ir.IntegerValue:
    """The length of a text in bytes of UTF-8."""
    return engine_function("recsys_byte_length", ("string",), "int64", text)


def epoch_microseconds(time: ir.TimestampValue) -> ir.IntegerValue:
    """Microseconds after 1970, exactly."""
    return engine_function("recsys_epoch_us", ("timestamp",), "int64", time)


def mixed(*values: ir.Value) -> ir.IntegerValue:
    """A number that is equal where all ``values`` are, and seldom elsewhere; which number is the engine's own affair."""
    import ibis

    number: ir.Value = ibis.literal(0, "int64")
    for value in values:
        number = engine_function("recsys_mixed", ("int64", str(value.type())), "int64", number, value)
    return number


def engine_function(name: str, takes: tuple[str, ...], gives: str, *values: ir.Value) -> ir.Value:
    """What the engine's own function ``name`` of one or two ``values`` gives; types as Ibis writes them."""
    return _declared(name, takes, gives)(*values)


@cache  # to Ibis each declaration is another function, and no two expressions with one would ever be equal
def _declared(name: str, takes: tuple[str, ...], gives: str) -> Callable[..., ir.Value]:
    import ibis

    def one(x: object) -> int:  # only names and signatures of these two are used
        raise AssertionError(f"the engine computes this, not Python: {x}")

    def two(x: object, y: object) -> int:
        raise AssertionError(f"the engine computes this, not Python: {x}, {y}")

    function = one if len(takes) == 1 else two
    function.__name__ = name
    declared: Callable[..., ir.Value] = ibis.udf.scalar.builtin(function, signature=(takes, gives))
    return declared
