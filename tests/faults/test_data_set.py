"""The same faults at every file operation of a data set's commands: begin, append, verify, collect; old or new, never a mix.

``RECSYS_CL_FAULTS=all`` meets every operation with every fault; otherwise a sample is met, the same each time.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from recsys_cl.ingest.versions.manifest import PART, latest, numbers
from recsys_cl.ingest.versions.verify import verify
from tests.faults.laboratory import Ended, Laboratory, laboratory
from tests.faults.test_every_stage import ALL, KINDS

HEADER = "user_id,item_id,timestamp\n"
NEXT = HEADER + "".join(f"u{n % 3},new{n},{1_600_100_000 + n}\n" for n in range(20)) + "u0,bad,never\n"
INGEST = ("ingest", "--out", "shop", "--threads", "1", "--json", "--input")
COMMANDS = {
    "begin": ((*INGEST, "log.csv"), "empty", 10),
    "append": ((*INGEST, "next.csv"), "one", 16),
    "verify": (("data", "verify", "shop"), "two", 4),
    "gc": (("data", "gc", "shop", "--keep", "1"), "strewn", 8),
}
"""By name: the command, the state it finds, and how many of its operations the sample meets."""

State = tuple[tuple[int, ...], str, int]  # versions, digest of the newest, its rows
pytestmark = [pytest.mark.slow, pytest.mark.timeout(100_000 if ALL else 900)]


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Laboratory]:
    """The states that commands find: nothing, one version, two, and two with what dead writers left."""
    memory = Path("/dev/shm")  # where a sync costs nothing, if there is one
    folder = tempfile.mkdtemp(dir=memory) if os.access(memory, os.W_OK) else tmp_path_factory.mktemp("faults")
    with ExitStack() as last, laboratory(Path(folder)) as made:
        last.callback(shutil.rmtree, folder, ignore_errors=True)
        made.begin()
        (made.work / "next.csv").write_text(NEXT)
        made.keep("empty")
        for log, name in (("log.csv", "one"), ("next.csv", "two")):
            assert made.run(*INGEST, log).code == 0
            made.keep(name)
        for left in ("parts/00000003-dead", ".scratch/part"):
            (made.work / "shop" / left).mkdir(parents=True)
            (made.work / "shop" / left / "interactions.parquet").write_bytes(b"half")
        (made.work / "shop" / "versions" / ".00000003.json.1.tmp").write_text("{")
        made.keep("strewn")
        yield made


def state(folder: Path) -> State:
    """What a reader sees: every version whole, or the test has failed."""
    if not numbers(folder):
        return (), "", 0
    verify(folder)
    newest = latest(folder)
    assert newest is not None
    return tuple(numbers(folder)), newest.digest, newest.rows


def contents(folder: Path) -> dict[str, str]:
    """Every file but those that hold a time, and parts by their number, since their names follow such a file."""
    files = [
        path for path in sorted(folder.rglob("*")) if path.is_file() and path.parent.name != "versions" and path.name != PART
    ]
    return {
        f"{path.parent.name[:8]}/{path.name}": hashlib.sha256(path.read_bytes()).hexdigest()
        for path in files
        if path.name != ".lock"
    }


@pytest.mark.parametrize("name", COMMANDS)
def test_a_reader_sees_old_or_new_and_the_same_command_finishes(lab: Laboratory, name: str) -> None:
    command, before, count = COMMANDS[name]
    shop = lab.work / "shop"
    lab.back_to(before)
    old = state(shop)
    whole = lab.run(*command)
    assert whole.code == 0, whole.said
    new, files = state(shop), contents(shop)
    for number, kind in faults(len(whole.operations), count):
        lab.back_to(before)
        ended = lab.run(*command, at=number, kind=kind)
        where = f"{name}, {kind} at operation {number}: {ended.operations[-1:]}\n{ended.said[-2000:]}"
        assert rightly(ended, kind), where
        assert state(shop) in between(old, new), where
        again = lab.run(*command)
        assert (again.code, state(shop), contents(shop)) == (0, new, files), where + again.said[-2000:]


def between(old: State, new: State) -> list[State]:
    """The states that a reader may find: those of the command's steps, each of which is one commit."""
    gone = [version for version in old[0] if version not in new[0]]
    steps = [(tuple(v for v in old[0] if v not in gone[:count]), *old[1:]) for count in range(len(gone) + 1)]
    return [*steps, new]


def faults(operations: int, count: int) -> list[tuple[int, str]]:
    """Every operation with every fault, or so many places, evenly spread, with each fault in turn."""
    if ALL:
        return [(number, kind) for number in range(operations) for kind in KINDS]
    count = min(count, operations)
    return [(round(n * (operations - 1) / max(count - 1, 1)), KINDS[n % len(KINDS)]) for n in range(count)]


def rightly(ended: Ended, kind: str) -> bool:
    """Killed, or done, or refused in one sentence as the environment's fault, which names the place and the space left."""
    if kind in ("kill", "torn"):
        return ended.code in (-9, 0)  # 0: the same command took fewer operations this time
    said = ended.said.replace("\n", " ")
    return "Traceback" not in said and (ended.code == 0 or (ended.code == 3 and ("MiB free" in said or "cannot read" in said)))


def test_data_is_on_disk_before_its_name_and_nothing_is_written_in_place(lab: Laboratory) -> None:
    if not lab.sees_libraries:
        pytest.skip("no C compiler: writes of libraries are not seen")
    lab.back_to("one")
    operations = [line.partition(" ")[::2] for line in lab.run(*INGEST, "next.csv").operations]
    assert disorder(operations, str(lab.work / "shop"), lambda path: path.endswith("/.lock")) == []


def disorder(operations: list[tuple[str, str]], folder: str, spared: Callable[[str], bool]) -> list[str]:
    """What was renamed before it was synced, or written under the name that readers look for."""
    unsynced: set[str] = set()
    found = []
    for name, path in operations:
        if not path.startswith(folder) or spared(path):
            continue
        scratch = "/.scratch/" in path
        if name in ("write", "truncate"):
            unsynced.add(path)
            if not (scratch or path.endswith(".tmp")):
                found.append(f"{path} is written under its final name")
        elif name in ("fsync", "unlink"):
            unsynced.discard(path)
        elif name == "rename" and not scratch:
            waiting = [one for one in unsynced if "/part/" in one or one.endswith(".tmp")]
            found.extend(f"{one} is not synced at the rename of {path}" for one in waiting)
    return found
