"""A table of a database is a log like any other."""

from __future__ import annotations

import sqlite3

import duckdb
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


def test_a_value_that_is_not_of_its_columns_type_is_the_tables_fault(ingest, tmp_path):
    with sqlite3.connect(tmp_path / "x.db") as connection:
        connection.execute("CREATE TABLE log (who TEXT, item_id TEXT, moment BIGINT)")
        connection.execute("INSERT INTO log VALUES ('u', 'i', 'soon')")
    connection.close()
    with pytest.raises(Refused, match="not of its column's type"):
        run(ingest, f"sqlite://{tmp_path / 'x.db'}")


def test_what_is_no_database_is_said(ingest, tmp_path):
    (tmp_path / "x.db").write_bytes(b"not a database at all" * 100)
    with pytest.raises((Unavailable, Refused), match=r"x\.db"):
        run(ingest, f"duckdb://{tmp_path / 'x.db'}")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"connection": "shop.db"}, "expected a URL"),
        ({"connection": "postgres://me:secret@host/shop", "snapshot": "1"}, "holds a password"),
        ({"connection": "postgres://host/shop"}, "ingest.source.snapshot"),
        ({"connection": "duckdb://x.db", "columns": {"usr": "u"}}, "no such column in the contract"),
    ],
)
def test_bad_arguments_are_refused_before_anything_is_opened(arguments, sentence):
    with pytest.raises(Refused, match=sentence):
        Table(table="log", **arguments)
