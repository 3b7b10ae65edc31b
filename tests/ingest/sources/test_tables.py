"""Several Parquet tables as one log: parts, domains with ids of their own, kinds of events."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from recsys_cl.core.build import build
from recsys_cl.core.errors import Refused
from recsys_cl.core.settings import Component
from recsys_cl.ingest.source import RawLog


def read(folder: Path, tables: list[dict[str, str]], **settings: object) -> RawLog:
    component = Component(
        use="tables", path=str(folder), tables=tables, columns={"user_id": "user", "item_id": "item"}, **settings
    )
    return build("ingest.sources", component, "ingest.source").read(folder)


def rows(log: RawLog, *names: str) -> list[tuple]:
    table = pa.Table.from_batches(log.batches)
    return list(zip(*(table.column(name).to_pylist() for name in names), strict=True))


def write(folder: Path, name: str, **columns: list) -> dict[str, str]:
    pq.write_table(pa.table(columns), folder / name)
    return {"file": name}


def test_domains_have_ids_of_their_own_but_for_the_people_they_share(tmp_path: Path) -> None:
    tables = [
        {**write(tmp_path, "a.parquet", user=[1, 7], item=[0, 1]), "domain": "game", "part": "train"},
        {**write(tmp_path, "b.parquet", user=[1, 7], item=[0, 2]), "domain": "video", "part": "test"},
    ]
    log = read(tmp_path, tables, shared_users=5)
    assert rows(log, "user_id", "item_id", "part", "timestamp") == [
        ("1", "game:0", "train", 0),
        ("game:7", "game:1", "train", 0),
        ("1", "video:0", "test", 1),
        ("video:7", "video:2", "test", 1),
    ]
    known = {row["item_id"]: row["domain"] for row in log.items.to_pylist()}
    assert known == {"game:0": "game", "game:1": "game", "video:0": "video", "video:2": "video"}


def test_shared_items_say_all_their_domains(tmp_path: Path) -> None:
    tables = [
        {**write(tmp_path, "a.parquet", user=["x"], item=["i"]), "domain": "game"},
        {**write(tmp_path, "b.parquet", user=["x", "y"], item=["i", "j"]), "domain": "video"},
    ]
    log = read(tmp_path, tables, shared_items=True)
    assert {row["item_id"]: sorted(row["domain"]) for row in log.items.to_pylist()} == {"i": ["game", "video"], "j": ["video"]}
    assert [user for (user,) in rows(log, "user_id")] == ["x", "x", "y"]


def test_a_table_without_times_is_later_than_all_before_it(tmp_path: Path) -> None:
    tables = [
        {
            **write(tmp_path, "a.parquet", user=[1, 1], item=[0, 1], timestamp=[50, 40], behavior=["view", "buy"]),
            "part": "train",
        },
        {**write(tmp_path, "b.parquet", user=[1], item=[3]), "part": "test", "event": "buy"},
    ]
    columns = {"user_id": "user", "item_id": "item", "event": "behavior"}
    log = build("ingest.sources", Component(use="tables", path=str(tmp_path), tables=tables, columns=columns), "s").read(
        tmp_path
    )
    assert log.items is None
    assert rows(log, "timestamp", "event", "part") == [(50, "view", "train"), (40, "buy", "train"), (51, "buy", "test")]


@pytest.mark.parametrize("domains", [("game", "video"), ()])
def test_a_table_without_rows_adds_none(tmp_path: Path, domains: tuple[str, ...]) -> None:
    empty = pa.table({"item": pa.array([], pa.int64()), "user": pa.array([], pa.int64())})
    pq.write_table(empty, tmp_path / "empty.parquet")
    tables = [{"file": "empty.parquet"}, write(tmp_path, "a.parquet", item=[5], user=[1]), {"file": "a.parquet"}]
    log = read(tmp_path, [{**table, "domain": domain} for table, domain in zip(tables, domains, strict=False)] or tables)
    assert rows(log, "user_id", "timestamp") == ([("1", 0)] if domains else [("1", 0), ("1", 1)])
    assert (log.items is None) == (not domains)


@pytest.mark.parametrize(
    ("tables", "told"),
    [
        ([{"file": "a.parquet", "domain": "x"}, {"file": "a.parquet"}], r"ingest\.source\.tables\.1\.domain"),
        ([], r"tables"),
        ([{"file": "none.parquet"}], r"none\.parquet"),
        ([{"file": "odd.parquet"}], r"odd\.parquet.*user"),
        ([{"file": "real.parquet"}], r"real\.parquet.*user_id.*double"),
    ],
)
def test_bad_tables_are_refused_by_key_or_file(tmp_path: Path, tables: list[dict[str, str]], told: str) -> None:
    write(tmp_path, "a.parquet", user=[1], item=[1])
    write(tmp_path, "odd.parquet", person=[1], item=[1])
    write(tmp_path, "real.parquet", user=[1.5], item=[1])
    with pytest.raises(Refused, match=told):
        read(tmp_path, tables)
