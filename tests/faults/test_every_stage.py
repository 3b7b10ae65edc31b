"""Kill, torn write, full disk, broken disk at the n-th file operation of every stage: old or new, never a mix; then again, and done.

``RECSYS_CL_FAULTS=all`` meets every operation of every stage with every fault (hours); otherwise a sample is met, every
second operation of ingest.
"""

from __future__ import annotations

import os
import random
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.faults.laboratory import STAGES, Ended, Laboratory, laboratory

KINDS = ("kill", "torn", "full", "broken")
ALL = os.environ.get("RECSYS_CL_FAULTS") == "all"
SAMPLES = {"ingest": 24, "prepare": 6, "train": 4, "evaluate": 5, "report": 3, "register": 4}

pytestmark = [pytest.mark.slow, pytest.mark.timeout(100_000 if ALL else 1800)]


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Laboratory, dict[str, Ended]]]:
    """The pipeline was run once, stage by stage, and its state kept before and after each."""
    memory = Path("/dev/shm")  # where a sync costs nothing, if there is one
    folder = tempfile.mkdtemp(dir=memory) if os.access(memory, os.W_OK) else tmp_path_factory.mktemp("faults")
    with ExitStack() as last, laboratory(Path(folder)) as made:
        last.callback(shutil.rmtree, folder, ignore_errors=True)
        made.begin()
        made.keep("before-ingest")
        whole = {}
        for stage, following in zip(STAGES, [*(f"before-{stage}" for stage in STAGES[1:]), "finished"], strict=True):
            whole[stage] = made.run(stage, "small.toml")
            assert whole[stage].code == 0, whole[stage].said
            made.keep(following)
        yield made, whole


def faults(stage: str, operations: int) -> list[tuple[int, str]]:
    if ALL:
        return [(number, kind) for number in range(operations) for kind in KINDS]
    count = min(SAMPLES[stage], operations)
    return [(round(number * (operations - 1) / max(count - 1, 1)), KINDS[number % len(KINDS)]) for number in range(count)]


@pytest.mark.parametrize("stage", STAGES)
def test_a_reader_sees_old_or_new_and_the_same_command_finishes(lab: tuple[Laboratory, dict[str, Ended]], stage: str) -> None:
    made, whole = lab
    following = [*(f"before-{each}" for each in STAGES[1:]), "finished"][STAGES.index(stage)]
    made.back_to(f"before-{stage}")
    old = made.visible()
    made.back_to(following)
    new = made.visible()
    for number, kind in faults(stage, len(whole[stage].operations)):
        made.back_to(f"before-{stage}")
        ended = made.run(stage, "small.toml", at=number, kind=kind)
        where = f"{stage}, {kind} at operation {number}: {ended.operations[-1:]}\n{ended.said[-2000:]}"
        ended_rightly(ended, kind, str(made.work), where)
        seen = made.visible()
        assert old.items() <= seen.items() <= new.items(), where
        again = made.run(stage, "small.toml")
        assert again.code == 0, where + again.said[-2000:]
        assert made.visible() == new, where
        assert made.left_over() == [], where


def test_killed_at_random_moments_the_same_command_goes_on_to_the_same_end(lab: tuple[Laboratory, dict[str, Ended]]) -> None:
    made, _ = lab
    made.back_to("finished")
    new = by_stage(made.visible())
    made.back_to("before-ingest")
    chance, deaths = random.Random(6), 0
    for _ in range(200 if ALL else 12):
        ended = made.run("run", "small.toml", after=chance.uniform(0.05, 1.5))
        assert ended.code in (-9, 0), ended.said[-2000:]
        deaths += ended.code == -9
        assert by_stage(made.visible()).items() <= new.items()
        if ended.code == 0:
            made.back_to("before-ingest")
    assert made.run("run", "small.toml").code == 0
    assert deaths > 3
    assert by_stage(made.visible()) == new
    assert made.left_over() == []


def by_stage(digests: dict[str, str]) -> dict[tuple[str, ...], str]:
    """Without the fingerprints, which follow the openings that an evaluation counts and the seconds that a report shows."""
    parts = {tuple(name.split("/")): digest for name, digest in digests.items()}
    return {(*name[:3], *name[4:]): digest for name, digest in parts.items()}


def ended_rightly(ended: Ended, kind: str, folder: str, where: str) -> None:
    if kind in ("kill", "torn"):
        assert ended.code in (-9, 0), where  # 0: the same command took fewer operations this time
        return
    assert "Traceback" not in ended.said, where
    if ended.code != 0:  # what fails after the commit, in cleaning up, does not undo it
        assert ended.code == 3, where
        assert folder in ended.said.replace("\n", ""), where
        assert "MiB free" in ended.said.replace("\n", " "), where


def test_a_forced_run_replaces_the_old_version_by_the_new_in_one_step(lab: tuple[Laboratory, dict[str, Ended]]) -> None:
    made, _ = lab
    made.back_to("before-prepare")
    new = made.visible()
    for kind in ("kill", "broken"):
        made.back_to("before-prepare")
        operations = len(made.run("ingest", "small.toml", "--force").operations)
        for number in range(operations) if ALL else range(operations - 14, operations, 2):  # around the commit
            made.back_to("before-prepare")
            ended = made.run("ingest", "small.toml", "--force", at=number, kind=kind)
            assert made.visible() == new, f"{kind} at {number}: {ended.operations[-1:]}"


def test_data_is_on_disk_before_its_name_and_its_name_before_success_is_told(lab: tuple[Laboratory, dict[str, Ended]]) -> None:
    made, whole = lab
    if not made.sees_libraries:
        pytest.skip("no C compiler: writes of libraries are not seen")
    for stage in STAGES:
        check_order([line.partition(" ")[::2] for line in whole[stage].operations], str(made.work / "data"))


def check_order(operations: list[tuple[str, str]], data: str) -> None:
    """Every written file is synced before a rename carries it off; every rename's folder is synced after it; none is written in place."""
    unsynced: set[str] = set()
    renamed: list[str] = []
    for name, path in operations:
        if not path.startswith(data) or "/.locks" in path:
            continue
        if name in ("write", "truncate"):
            ledger = "/.openings/" in path  # lines are only ever added
            assert ledger or "/.scratch/" in path or path.endswith(".tmp"), f"{path} is written under its final name"
            unsynced.add(path)
        elif name == "fsync":
            unsynced.discard(path)
            renamed = [final for final in renamed if os.path.dirname(final) != path]  # noqa: PTH120
        elif name == "rename" and "/.scratch/" in path:
            unsynced -= {one for one in unsynced if os.path.basename(one).startswith(".")}  # noqa: PTH119
            unsynced.add(path)
        elif name == "rename":
            assert not [one for one in unsynced if "/.scratch/" in one and "/out/" in one], f"unsynced at the rename of {path}"
            renamed.append(path)
        elif name == "unlink":
            unsynced.discard(path)
    assert not renamed, f"the folder of {renamed} is not synced"
    assert not [one for one in unsynced if "/.openings/" in one], "the ledger is not synced"
