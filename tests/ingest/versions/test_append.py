"""Rows into versions: nothing twice, nothing lost, whatever the order; late and future events by rule."""

from __future__ import annotations

import json
from itertools import permutations
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from recsys_cl.core.errors import Refused, Unavailable
from recsys_cl.ingest.versions import append as appending
from recsys_cl.ingest.versions.append import check
from recsys_cl.ingest.versions.manifest import numbers, read_version

from .conftest import HEADER, Keeper, log_of

A = [("u", "i", 1), ("u", "j", 2), ("v", "i", 3)]
B = [("v", "i", 3), ("w", "k", 4)]


def test_the_account_and_the_state(keeper: Keeper) -> None:
    first = keeper.add(keeper.log("a.csv", HEADER + "u,i,1\nu,i,1\nv,,2\nw,k,3\n"), max_bad_fraction=0.5)
    assert {name: first[name] for name in ("rows_in", "rows_kept", "rows_quarantined", "rows_deduplicated")} == {
        "rows_in": 4, "rows_kept": 2, "rows_quarantined": 1, "rows_deduplicated": 1,
    }  # fmt: skip
    assert (first["rows"], first["users"], first["items"], first["version"]) == (2, 2, 2, 1)
    assert (first["first"], first["last"]) == ("1970-01-01T00:00:01+00:00", "1970-01-01T00:00:03+00:00")
    bad = pq.read_table(first["quarantine"]).to_pylist()
    assert bad == [{"file": str(keeper.logs / "a.csv"), "line": 4, "field": "item_id", "reason": "is empty"}]
    second = keeper.add(keeper.log("b.csv", [("w", "k", 3), ("x", "i", 5)]))
    assert (second["rows_kept"], second["rows_deduplicated"], second["rows"], second["version"]) == (1, 1, 3, 2)
    assert (second["users"], second["items"]) == (3, 2)
    assert keeper.rows(number=1) == [("u", "i", 1_000_000), ("w", "k", 3_000_000)], "what is committed does not change"


def test_the_same_file_twice_adds_nothing_under_any_name(keeper: Keeper) -> None:
    once = keeper.add(keeper.log("a.csv", A))
    before = {path: path.read_bytes() for path in keeper.set.rglob("*") if path.is_file()}
    again = keeper.add(keeper.log("copy.csv", A))
    assert {path: path.read_bytes() for path in keeper.set.rglob("*") if path.is_file()} == before
    assert (again["digest"], again["version"], again["rows"]) == (once["digest"], 1, 3)
    assert (again["rows_in"], again["rows_kept"], again["rows_deduplicated"]) == (3, 0, 3)
    grown = keeper.add(keeper.logs / "a.csv", keeper.log("b.csv", B))
    assert (grown["rows_in"], grown["rows_kept"], grown["version"]) == (5, 1, 2), "only what is new is read"


def test_a_data_set_among_its_logs_is_no_log(keeper: Keeper) -> None:
    keeper.log("a.csv", A)
    keeper.set = keeper.logs / "set"
    first = keeper.add(keeper.logs)
    keeper.log("b.csv", B)
    second = keeper.add(keeper.logs)
    assert (first["rows"], second["rows"], second["rows_in"], second["version"]) == (3, 4, 5, 2)
    with pytest.raises(Refused, match="nothing is to be read but the data set itself"):
        keeper.add(keeper.set)


@pytest.mark.slow
def test_a_then_b_is_b_then_a_is_both(keeper: Keeper) -> None:
    a, b = keeper.log("a.csv", A), keeper.log("b.csv", B)
    digests = set()
    for number, order in enumerate([[[a], [b]], [[b], [a]], [[a, b]], [[b, a]], [[keeper.logs]]]):
        summary = [keeper.add(*paths, into=f"set{number}") for paths in order][-1]
        digests.add(summary["digest"])
        assert (summary["rows"], summary["users"], summary["items"]) == (4, 3, 3)
        whole = {summary[name] for name in ("first", "last")}
        assert whole == {"1970-01-01T00:00:01+00:00", "1970-01-01T00:00:04+00:00"}
    assert len(digests) == 1


@pytest.mark.slow
def test_a_different_log_has_a_different_digest(keeper: Keeper) -> None:
    kinds = [A, A[:2], [*A, ("u", "i", 9)], [("u", "i", 1), ("u", "j", 2), ("v", "i", 4)], B]
    digests = {keeper.add(keeper.log(f"{n}.csv", rows), into=f"set{n}")["digest"] for n, rows in enumerate(kinds)}
    assert len(digests) == len(kinds)


def test_formats_mix_and_agree(keeper: Keeper) -> None:
    rows = log_of(60)
    csv = keeper.add(keeper.log("a.csv", rows), into="csv")
    third = len(rows) // 3
    keeper.log("part.csv", rows[:third])
    keeper.log("part.jsonl", "".join(json.dumps(dict(zip(("user_id", "item_id", "timestamp"), r, strict=True))) + "\n" for r in rows[third : 2 * third]))  # fmt: skip
    users, items, times = zip(*rows[2 * third :], strict=True)
    seconds = pa.array(times, pa.int64()).cast(pa.timestamp("s"))
    pq.write_table(pa.table({"item_id": items, "timestamp": seconds, "user_id": users}), keeper.logs / "part.parquet")
    mixed = keeper.add(*(keeper.logs / f"part.{end}" for end in ("jsonl", "parquet", "csv")), into="mixed")
    assert {key: mixed[key] for key in csv if key not in ("path", "quarantine", "layouts")} == {
        key: csv[key] for key in csv if key not in ("path", "quarantine", "layouts")
    }


def test_optional_columns_are_part_of_a_row(keeper: Keeper) -> None:
    plain = keeper.log("a.csv", [("u", "i", 1)])
    rated = keeper.log("b.csv", "user_id,item_id,timestamp,rating,event\nu,i,1,,\nu,i,1,4,\nu,i,1,4.0,\nu,i,1,4,buy\n")
    for number, order in enumerate(permutations([plain, rated])):
        summary = [keeper.add(path, into=f"set{number}") for path in order][-1]
        assert summary["rows"] == 3, "the same row with and without its missing columns, and 4 as 4.0, are one"
    first, second = (read_version(keeper.set.with_name(f"set{n}")).digest for n in (0, 1))
    assert first == second


def test_late_events_are_counted_and_kept(keeper: Keeper) -> None:
    keeper.add(keeper.log("a.csv", [("u", "i", 100), ("v", "j", 200)]))
    second = keeper.add(keeper.log("b.csv", [("w", "i", 150), ("x", "i", 195), ("x", "j", 300)]))
    assert (second["late"], second["rows_kept"], read_version(keeper.set).late) == (2, 3, 2)
    third = keeper.add(keeper.log("c.csv", [("y", "i", 290), ("y", "j", 289)]), allowance=10_000_000)
    assert third["late"] == 1, "the watermark is the newest event, less what is allowed"


def test_future_events_wait_in_quarantine_until_their_day(keeper: Keeper) -> None:
    log = keeper.log("a.csv", [("u", "i", 100), ("v", "j", 200)])
    day = "1970-01-01T00:02:00+00:00"
    first = keeper.add(log, as_of=day, max_bad_fraction=1.0)
    assert (first["rows_kept"], first["rows_quarantined"]) == (1, 1)
    assert keeper.add(log, as_of=day, max_bad_fraction=1.0)["version"] == 1
    later = keeper.add(log, as_of="1970-01-02")
    assert (later["rows_kept"], later["rows_deduplicated"], later["rows"]) == (1, 1, 2)


def test_a_refused_log_leaves_no_trace(keeper: Keeper) -> None:
    keeper.add(keeper.log("a.csv", A))
    before = {path: path.read_bytes() for path in keeper.set.rglob("*") if path.is_file()}
    with pytest.raises(Refused, match=r"bad\.csv: line 2: user_id"):
        keeper.add(keeper.log("bad.csv", HEADER + ",i,1\n"))
    assert {path: path.read_bytes() for path in keeper.set.rglob("*") if path.is_file()} == before


def test_a_refused_first_log_leaves_no_folder(keeper: Keeper) -> None:
    bad = keeper.log("bad.csv", HEADER + ",i,1\n")
    with pytest.raises(Refused):
        keeper.add(bad)
    assert not keeper.set.exists()
    keeper.set.mkdir()
    with pytest.raises(Refused):
        keeper.add(bad)
    assert not [path for path in keeper.set.rglob("*") if path.is_file() and path.stat().st_size], "theirs stays, empty"


def test_a_failed_commit_leaves_the_old_version_and_the_next_try_finishes(keeper: Keeper, monkeypatch) -> None:
    a, b = keeper.log("a.csv", A), keeper.log("b.csv", B)
    keeper.add(a)
    both = keeper.add(a, b, into="other")["digest"]

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(appending, "write_version", full)
        with pytest.raises(Unavailable, match="No space left on device"):
            keeper.add(b)
    assert numbers(keeper.set) == [1]
    assert len(list((keeper.set / "parts").iterdir())) == 2, "the part is there, and no version names it"
    assert keeper.add(b)["digest"] == both
    assert len(list((keeper.set / "parts").iterdir())) == 2
    assert not (keeper.set / ".scratch").exists()


def test_a_folder_of_something_else_is_left_alone(keeper: Keeper) -> None:
    a = keeper.log("a.csv", A)
    other = keeper.logs.with_name("other")
    other.mkdir()
    (other / "letter.txt").write_text("dear")
    with pytest.raises(Refused, match="neither empty nor a data set"):
        keeper.add(a, into="other")
    assert [path.name for path in other.iterdir()] == ["letter.txt"]


def test_a_file_that_grows_while_it_is_read_is_refused(keeper: Keeper) -> None:
    log = keeper.log("a.csv", A)
    request = keeper.request(log)
    with log.open("a") as stream:
        stream.write("z,z,9\n")
    with pytest.raises(Refused, match=r"a\.csv: changed while it was being read"):
        appending.append(keeper.set, request, lambda _: None)
    assert numbers(keeper.set) == []


def test_check_says_the_same_and_keeps_nothing(keeper: Keeper, tmp_path: Path) -> None:
    log = keeper.log("a.csv", HEADER + "u,i,1\nu,,2\nv,j,3\nv,j,3\n")
    found = check(keeper.request(log, max_bad_fraction=0.3), lambda _: None)
    assert found["problems"] == [{"file": str(log), "line": 3, "field": "item_id", "reason": "is empty"}]
    assert not keeper.set.exists()
    made = keeper.add(log, max_bad_fraction=0.3)
    assert {name: found[name] for name in found if name != "problems"}.items() <= made.items()
