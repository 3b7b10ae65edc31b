"""What an expression is turned into, and that this is done once."""

from __future__ import annotations

import ibis
import pytest

from recsys_cl.ingest.engine import byte_length, epoch_microseconds, mixed
from recsys_cl.ingest.engines import duckdb


def made() -> ibis.Table:
    rows = ibis.table({"user": "string", "time": "timestamp"}, name="log")
    return rows.mutate(length=byte_length(rows.user), moment=epoch_microseconds(rows.time), number=mixed(rows.user, rows.time))


def test_the_same_expression_is_written_once(monkeypatch: pytest.MonkeyPatch) -> None:
    first = duckdb._sql(made())
    assert "RECSYS_MIXED(RECSYS_MIXED(0" in first
    monkeypatch.setattr(ibis, "to_sql", lambda *_, **__: pytest.fail("written again"))
    assert duckdb._sql(made()) == first
