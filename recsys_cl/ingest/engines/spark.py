"""The user's Spark: the same expressions, run by whatever cluster the session names, through folders of Parquet.

What is said differently here, and why:

* A table that is computed once is written, not cached: what Spark caches it may forget and compute again, and rows fed
  from Python come only once.
* Rows leave in order as the parts of a sorted folder, read one after the other: collecting them would need them in memory.
* Bytes of a text, microseconds of a time and a number that tells rows apart are functions of the session.
* Spark numbers the rows of a Parquet file in the file's metadata column.

Nothing comes to Python but through ``scratch``, so on a cluster that folder must lie where the workers can write.
"""

from __future__ import annotations

import os
import shutil
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from recsys_cl.core.errors import Unavailable
from recsys_cl.ingest.engine import ROW, Engine, Stream
from recsys_cl.ingest.sorted_parquet import write_parquet

if TYPE_CHECKING:
    import ibis.expr.types as ir
    from pyspark.sql import DataFrame, SparkSession

_SAYINGS = (
    "CREATE OR REPLACE TEMPORARY FUNCTION recsys_byte_length(x STRING) RETURNS BIGINT RETURN octet_length(x)",
    "CREATE OR REPLACE TEMPORARY FUNCTION recsys_epoch_us(x TIMESTAMP) RETURNS BIGINT RETURN unix_micros(x)",
    "CREATE OR REPLACE TEMPORARY FUNCTION recsys_mixed(x BIGINT, y STRING) RETURNS BIGINT RETURN xxhash64(x, y)",
)
_SETTINGS = {
    "spark.sql.session.timeZone": "UTC",  # times without a zone are UTC, wherever the session was made
    "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",
    "spark.sql.ansi.enabled": "true",
}
_PART = 1 << 18  # rows in a batch


class Spark:
    """Named tables and the expressions over them, in one session."""

    def __init__(self, session: SparkSession, scratch: Path) -> None:
        self._session, self._scratch, self._numbers = session, scratch, count()

    def feed(self, name: str, batches: Iterator[pa.RecordBatch], schema: pa.Schema, expression: ir.Table) -> None:
        """Make a table of ``expression``, which reads ``batches``, once, as the table called ``name`` with ``_raw``."""
        raw = self._folder()
        write_parquet(raw / "part.parquet", schema, Stream(batches))
        self._read(raw).createOrReplaceTempView(f"{name}_raw")
        self.keep(name, expression)
        shutil.rmtree(raw)

    def keep(self, name: str, expression: ir.Table) -> ir.Table:
        """The rows of an expression, computed once, as the table called ``name``."""
        import ibis

        self._read(self._written(expression)).createOrReplaceTempView(name)
        return ibis.table(expression.schema(), name=name)

    def parquet(self, name: str, path: Path) -> ir.Table:
        """The rows of a Parquet file as the table called ``name``, each with its place in the file, ``ROW``."""
        import ibis

        self._read(path).selectExpr("*", f"_metadata.row_index AS `{ROW}`").createOrReplaceTempView(name)
        schema = pq.read_schema(path).append(pa.field(ROW, pa.int64()))
        return ibis.table(ibis.Schema.from_pyarrow(schema), name=name)

    def table(self, name: str, rows: pa.Table) -> ir.Table:
        """Rows in memory as the table called ``name``."""
        import ibis

        folder = self._folder()
        write_parquet(folder / "part.parquet", rows.schema, rows.to_batches())
        self._read(folder).createOrReplaceTempView(name)
        return ibis.table(ibis.Schema.from_pyarrow(rows.schema), name=name)

    def one(self, expression: ir.Table) -> dict[str, Any]:
        """The only row of an aggregation."""
        with _faults():
            (row,) = self._session.sql(_sql(expression)).collect()
        return dict(zip(expression.columns, row, strict=True))

    def stream(self, expression: ir.Table) -> Iterator[pa.RecordBatch]:
        """The rows of an expression, in bounded batches."""
        folder = self._written(expression)
        for part in sorted(folder.glob("part-*.parquet")):  # ranges of the order, numbered by it
            with pq.ParquetFile(part, pre_buffer=False) as file:
                yield from file.iter_batches(_PART)
        shutil.rmtree(folder)

    def all(self, expression: ir.Table) -> pa.Table:
        """The rows of an expression at once."""
        import ibis

        schema = ibis.Schema.to_pyarrow(expression.schema())
        return pa.Table.from_batches((batch.cast(schema) for batch in self.stream(expression)), schema)

    def _written(self, expression: ir.Table) -> Path:
        folder = self._folder() / "rows"
        with _faults():
            self._session.sql(_sql(expression)).write.parquet(folder.absolute().as_uri())
        return folder

    def _read(self, path: Path) -> DataFrame:
        return self._session.read.parquet(path.absolute().as_uri())

    def _folder(self) -> Path:
        folder = self._scratch / f"table-{next(self._numbers)}"
        folder.mkdir()
        return folder


@contextmanager
def opened(scratch: Path, memory_limit: str, threads: int | None) -> Iterator[Engine]:
    """The active session with settings and names of its own, or a new local one where no master is configured.

    ``memory_limit`` is the driver's memory, and ``threads`` the local master's, where this starts the session.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # of pandas 3, which is not used here
        try:
            import ibis
            from pyspark.sql import SparkSession
        except ImportError as error:
            raise Unavailable("engine 'spark' needs the extra: pip install 'recsys_cl[spark]'") from error
        ibis.pyspark  # noqa: B018 - registers the dialect's options
        active = SparkSession.getActiveSession()
        session = active.newSession() if active else _started(scratch, memory_limit, threads)
    try:
        for name, value in _SETTINGS.items():
            session.conf.set(name, value)
        for saying in _SAYINGS:
            session.sql(saying)
        yield Spark(session, scratch)
    finally:
        if active is None:
            session.stop()


def _started(scratch: Path, memory_limit: str, threads: int | None) -> SparkSession:
    from pyspark import SparkConf
    from pyspark.errors import PySparkException
    from pyspark.sql import SparkSession

    local = {
        "spark.master": f"local[{threads or '*'}]",
        "spark.driver.memory": memory_limit.replace("i", "").removesuffix("B").lower(),
        "spark.local.dir": str(scratch / "spilled"),
        "spark.sql.warehouse.dir": str(scratch / "warehouse"),
        "spark.ui.enabled": "false",
        "spark.log.level": "ERROR",
    }
    remote = "SPARK_REMOTE" in os.environ or SparkConf().contains("spark.master")
    builder = SparkSession.builder.appName("recsys_cl")
    for name, value in ({} if remote else local).items():
        builder = builder.config(name, value)
    try:
        return builder.getOrCreate()
    except PySparkException as error:
        raise Unavailable(f"Spark does not start (is Java 17 installed?): {str(error).partition(chr(10))[0]}") from error


@contextmanager
def _faults() -> Iterator[None]:
    from pyspark.errors import PySparkException

    try:
        yield
    except PySparkException as error:
        text = str(error)
        if "OutOfMemory" in text or "No space left" in text:
            raise Unavailable(f"ingest: Spark: {text.partition(chr(10))[0]}") from error
        raise


def _sql(expression: ir.Table) -> str:
    import ibis

    return str(ibis.to_sql(expression, dialect="pyspark"))
