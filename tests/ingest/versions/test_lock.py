"""One writer at a time, told by name; whoever reads a version keeps it."""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path

import pytest

from recsys_cl.core.errors import Refused, Unavailable
from recsys_cl.ingest.versions.gc import collect
from recsys_cl.ingest.versions.lock import pinned, writing
from recsys_cl.ingest.versions.manifest import numbers, read_version, version_file
from recsys_cl.ingest.versions.verify import verify

from .conftest import Keeper, log_of


def test_a_second_writer_is_told_who_the_first_is(tmp_path: Path) -> None:
    with (
        writing(tmp_path / "set", wait=False),
        pytest.raises(Unavailable, match=rf"process {os.getpid()} on .* is writing to it"),
        writing(tmp_path / "set", wait=False),
    ):
        pass
    with writing(tmp_path / "set", wait=False):
        pass


@pytest.mark.slow
def test_a_second_writer_may_wait(keeper: Keeper) -> None:
    a, b = keeper.log("a.csv", log_of(50)), keeper.log("b.csv", log_of(50, seed=2))
    both = keeper.add(a, b, into="other")["digest"]
    keeper.add(a)
    entered = threading.Event()

    def second() -> None:
        entered.set()
        with writing(keeper.set, wait=True):
            order.append("second")

    order: list[str] = []
    waiter = threading.Thread(target=second)
    with writing(keeper.set, wait=False):
        waiter.start()
        entered.wait()
        waiter.join(timeout=0.2)
        assert waiter.is_alive(), "it waits"
        order.append("first")
    waiter.join()
    assert order == ["first", "second"]
    assert keeper.add(b)["digest"] == both


def test_who_waits_for_a_writer_that_leaves_nothing_begins_anew(tmp_path: Path) -> None:
    held = threading.Event()
    made: list[bool] = []

    def second() -> None:
        held.wait()
        with writing(tmp_path / "set", wait=True) as scratch:
            made.append(scratch.is_dir() and (tmp_path / "set" / ".lock").exists())

    waiter = threading.Thread(target=second)
    waiter.start()
    with writing(tmp_path / "set", wait=False):
        held.set()
        waiter.join(timeout=0.2)
    waiter.join()
    assert made == [True]


def test_what_a_dead_writer_left_is_swept_by_the_next(keeper: Keeper) -> None:
    keeper.add(keeper.log("a.csv", log_of(50)))
    (keeper.set / ".scratch" / "part").mkdir(parents=True)
    (keeper.set / ".lock").write_text('{"pid": 1, "host": "gone", "since": "then"}')
    stray = keeper.set / "parts" / "00000002-000000000000"
    stray.mkdir()
    (keeper.set / "versions" / ".00000002.json.77.tmp").write_text("half")
    keeper.add(keeper.log("b.csv", log_of(50, seed=2)))
    assert not stray.exists()
    assert not (keeper.set / ".scratch").exists()
    assert [path.name for path in sorted((keeper.set / "versions").iterdir())] == ["00000001.json", "00000002.json"]
    assert (keeper.set / ".lock").read_bytes() == b""


@pytest.mark.slow
def test_a_reader_keeps_its_version_while_others_write_and_sweep(keeper: Keeper) -> None:
    keeper.add(keeper.log("a.csv", log_of(50)))
    rows = keeper.rows()
    with pinned(version_file(keeper.set, 1)):
        keeper.add(keeper.log("b.csv", log_of(50, seed=2)))
        keeper.add(keeper.log("c.csv", log_of(50, seed=3)))
        assert collect(keeper.set, keep=1) == {"versions": [], "parts": []}, "a gap would be called damage"
        assert verify(keeper.set)["versions"] == 3
        assert keeper.rows(number=1) == rows
        assert len(keeper.rows()) > len(rows)
    with pinned(version_file(keeper.set, 2)):
        assert collect(keeper.set, keep=1) == {"versions": ["1"], "parts": []}
    assert collect(keeper.set, keep=1) == {"versions": ["2"], "parts": []}
    assert numbers(keeper.set) == [3]
    assert verify(keeper.set)["versions"] == 1
    with pytest.raises(Refused, match="no version 1; there are 3 to 3"):
        read_version(keeper.set, 1)
    with pytest.raises(Refused, match="no longer there"), pinned(version_file(keeper.set, 1)):
        pass


@pytest.mark.parametrize("name", ["versions/notes.txt", "versions/2023.json", "versions/20230101.json", "parts/a.pdf", "x"])
def test_a_folder_of_something_else_is_left_alone(keeper: Keeper, name: str) -> None:
    for path in (keeper.set / name, keeper.set / "parts" / "mine.txt", keeper.set / ".scratch" / "mine.txt"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("{}")
    (keeper.set / ".lock").touch()
    before = sorted(keeper.set.rglob("*"))
    with pytest.raises(Refused, match=f"^{keeper.set}: neither empty nor a data set"):
        keeper.add(keeper.log("a.csv", log_of(50)))
    assert sorted(keeper.set.rglob("*")) == before


def test_what_is_called_otherwise_in_a_data_set_is_not_swept(keeper: Keeper) -> None:
    keeper.add(keeper.log("a.csv", log_of(50)))
    mine = [keeper.set / name for name in ("notes.md", "parts/notes.md", "parts/00000002-x", "versions/.mine.tmp")]
    for path in mine:
        path.touch()
    assert collect(keeper.set, keep=1) == {"versions": [], "parts": []}
    assert all(path.exists() for path in mine)


def test_a_begun_data_set_is_begun_again(keeper: Keeper) -> None:
    """What a writer leaves that is killed in its first commit."""
    for name in (".scratch/part", "versions", "parts/00000001-0123456789ab"):
        (keeper.set / name).mkdir(parents=True)
    for name in (".lock", "versions/.00000001.json.77.tmp"):
        (keeper.set / name).touch()
    assert keeper.add(keeper.log("a.csv", log_of(50)))["version"] == 1
    assert verify(keeper.set)["parts"] == 1
    assert len(list((keeper.set / "parts").iterdir())) == 1


def test_a_folder_that_was_taken_away_while_one_waited_is_ones_own(keeper: Keeper) -> None:
    """Whoever made it last, and commits nothing, takes it away."""
    waits = threading.Event()

    def second() -> None:
        waits.set()
        with writing(keeper.set, wait=True):
            pass

    waiter = threading.Thread(target=second)
    with writing(keeper.set, wait=False):
        waiter.start()
        waits.wait()
        waiter.join(timeout=0.2)
    waiter.join()
    assert not keeper.set.exists()


def test_sweeping_waits_for_no_writer(keeper: Keeper) -> None:
    keeper.add(keeper.log("a.csv", log_of(50)))
    with writing(keeper.set, wait=False), pytest.raises(Unavailable, match="is writing to it"):
        collect(keeper.set)


def test_the_description_is_plain_json(keeper: Keeper) -> None:
    keeper.add(keeper.log("a.csv", log_of(50)))
    described = json.loads(version_file(keeper.set, 1).read_text())
    assert described["format"] == 1
    assert described["parts"][0]["name"].startswith("00000001-")
