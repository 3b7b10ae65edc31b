"""A table of a database is a log like any other."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import duckdb
import pyarrow as pa
import pytest

from recsys_cl.core.errors import Refused, Unavailable
from recsys_cl.ingest.sources.table import Table

ROWS = [("v", "b", 1_700_000_001, 2.0), ("u", "a", 1_700_000_000, 5.0), ("u", "a", 1_700_000_000, 5.0), ("", "a", 3, None)]
EXPECTED = [("u", "a", 5.0), ("v", "b", 2.0)]


@pytest.fixture(params=["duckdb", "sqlite"])
def database(request, tmp_path):
    path = tmp_path / "shop.db"
    connection = duckdb.connect(str(path)) if request.param == "duckdb" else sqlite3.connect(path, isolation_level=None)
    connection.execute("CREATE TABLE log (who TEXT, item_id TEXT, moment BIGINT, rating DOUBLE, note TEXT)")
    for row in ROWS:
        connection.execute("INSERT INTO log VALUES (?, ?, ?, ?, 'x')", row)
    connection.close()
    return f"{request.param}://{path}"


def run(ingest, database, **arguments):
    given = {"connection": database, "table": "log", "columns": {"user_id": "who", "timestamp": "moment"}, **arguments}
    return ingest("table", None, **given)


def test_a_table_is_read_as_a_log(ingest, database):
    done = run(ingest, database)
    assert done.rows("user_id", "item_id", "rating") == EXPECTED
    assert done.account["rows_deduplicated"] == 1
    assert done.bad() == [(0, "user_id", "is empty")]
    assert list(done.account["files"]) == [database.partition("://")[2]]


def test_the_order_of_insertion_does_not_matter(ingest, database, tmp_path):
    path = tmp_path / "other.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE log (who TEXT, item_id TEXT, moment BIGINT, rating DOUBLE)")
        connection.executemany("INSERT INTO log VALUES (?, ?, ?, ?)", reversed(ROWS))
    connection.close()
    assert run(ingest, f"sqlite://{path}").account["digest"] == run(ingest, database).account["digest"]


def test_misspelt_names_are_answered_with_the_nearest(ingest, database):
    with pytest.raises(Refused, match=r"no 'lag' .* 'log'"):
        run(ingest, database, table="lag")
    with pytest.raises(Refused, match=r"no column 'whom' \(for user_id\).*'who'"):
        run(ingest, database, columns={"user_id": "whom", "timestamp": "moment"})
    with pytest.raises(Refused, match="no such file"):
        run(ingest, database + "x")


def sqlite_log(path, columns, rows):
    with sqlite3.connect(path) as connection:
        connection.execute(f"CREATE TABLE log ({columns})")
        connection.executemany("INSERT INTO log VALUES (?, ?, ?)", rows)
    connection.close()
    return f"sqlite://{path}"


@pytest.mark.parametrize("row", [(0.5, "i", 1), ("u", "i", 0.5), (b"\xff", "i", 1)], ids=["fraction", "time", "bytes"])
def test_a_value_that_is_not_of_its_columns_type_is_the_tables_fault(ingest, tmp_path, row):
    database = sqlite_log(tmp_path / "x.db", "who INTEGER, item_id TEXT, moment BIGINT", [row])
    with pytest.raises(Refused, match="not of its column's type"):
        run(ingest, database)


def test_sqlite_keeps_long_ids_whole_beside_ones_that_are_missing(ingest, tmp_path):
    far = 2**53
    rows = [(far, 1, 17), (far + 1, 2, 18), (None, 3, 19), ("x", None, 20), ("y", b"4", 21)]
    done = run(ingest, sqlite_log(tmp_path / "x.db", "who BIGINT, item_id INTEGER, moment INTEGER", rows))
    assert done.rows("user_id", "item_id") == [(str(far), "1"), (str(far + 1), "2"), ("y", "4")]
    assert sorted((field, reason) for _, field, reason in done.bad()) == [("item_id", "is missing"), ("user_id", "is missing")]


@pytest.mark.parametrize("kind", ["DATETIME", "TIMESTAMP", "INTEGER", "TEXT"])
def test_epoch_numbers_in_sqlite_are_in_the_unit_that_is_said_whatever_the_column_is_called(ingest, tmp_path, kind):
    rows = [("u", "i", 1_700_000_000_000), ("v", "i", "2023-11-14 22:13:21"), ("w", "i", "soon")]
    database = sqlite_log(tmp_path / "x.db", f"who TEXT, item_id TEXT, moment {kind}", rows)
    done = run(ingest, database, contract={"timestamp_unit": "ms"})
    assert [moment.isoformat() for (moment,) in done.rows("timestamp")] == ["2023-11-14T22:13:20+00:00", "2023-11-14T22:13:21+00:00"]  # fmt: skip
    assert done.bad() == [(2, "timestamp", "is neither an epoch number nor ISO 8601")]


def test_a_change_that_is_only_in_the_databases_own_log_is_a_change(tmp_path):
    path = tmp_path / "x.db"
    log = Table(f"sqlite://{path}", "log")
    with closing(sqlite3.connect(path, isolation_level=None)) as writer:
        writer.execute("PRAGMA journal_mode = wal")
        writer.execute("CREATE TABLE log (user_id TEXT, item_id TEXT, timestamp BIGINT)")
        writer.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        before, whole = log.files(), path.read_bytes()
        writer.execute("INSERT INTO log VALUES ('u', 'i', 1)")
        assert (before, log.files()) == ([path], [path, tmp_path / "x.db-wal"])
        newer = (tmp_path / "x.db-wal").read_bytes()
        assert pa.Table.from_batches(log.read(tmp_path).batches)["user_id"].to_pylist() == ["u"]
        assert (path.read_bytes(), (tmp_path / "x.db-wal").read_bytes()) == (whole, newer), "reading writes nothing"


def test_the_log_of_duckdb_is_read_with_it(tmp_path):
    path = tmp_path / "x.db"
    with duckdb.connect(str(path)) as writer:
        writer.execute("CREATE TABLE log (user_id TEXT, item_id TEXT, timestamp BIGINT)")
        writer.execute("CHECKPOINT")
        writer.execute("INSERT INTO log VALUES ('u', 'i', 1)")
        assert Table(f"duckdb://{path}", "log").files() == [path, tmp_path / "x.db.wal"]


def test_what_is_no_database_is_said(ingest, tmp_path):
    (tmp_path / "x.db").write_bytes(b"not a database at all" * 100)
    with pytest.raises((Unavailable, Refused), match=r"x\.db"):
        run(ingest, f"duckdb://{tmp_path / 'x.db'}")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"connection": "shop.db"}, "expected a URL"),
        ({"connection": "postgres://me:secret@host/shop", "snapshot": "1"}, "holds a password"),
        ({"connection": "postgres://host/shop?user=me&PassWord=secret", "snapshot": "1"}, "holds 'PassWord'"),
        ({"connection": "snowflake://host/shop?private_key=secret", "snapshot": "1"}, "holds 'private_key'"),
        ({"connection": "duckdb://md:shop?motherduck_token=secret"}, "holds 'motherduck_token'"),
        ({"connection": "postgres:/me:secret@host/shop", "snapshot": "1"}, "expected a URL"),
        ({"connection": "postgres://[me:secret@host/shop", "snapshot": "1"}, "not a URL"),
        ({"connection": "postgres://host/shop?passfile=pgpass"}, "ingest.source.snapshot"),
        ({"connection": "duckdb://x.db", "columns": {"usr": "u"}}, "no such column in the contract"),
    ],
)
def test_bad_arguments_are_refused_before_anything_is_opened(arguments, sentence):
    with pytest.raises(Refused, match=sentence) as refusal:
        Table(table="log", **arguments)
    assert "secret" not in str(refusal.value)
