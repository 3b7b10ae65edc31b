"""Old results go, and nothing that the pipeline would find today."""

from __future__ import annotations

from pathlib import Path

import pytest

from recsys_cl.core.errors import Busy, Refused
from recsys_cl.core.sealed import write_sealed
from recsys_cl.stages.collect import Collected, collect
from recsys_cl.stages.runner import Outcome
from recsys_cl.stages.store import RECEIPT, Store, read_receipt
from recsys_cl.stages.turn import turn
from tests.stages.test_runner import Step, chain, run, statuses


def spoken(word: str) -> list[Step]:
    """The chain whose first stage says ``word``."""
    steps = chain()
    steps[0].word = word
    return steps


def nights(root: Path, words: str) -> Outcome:
    """A run for each word, each committed a second after the one before."""
    seen: set[Path] = set()
    for second, word in enumerate(words):
        outcome = run(spoken(word), root)
        for receipt in set(root.glob(f"[!.]*/*/{RECEIPT}")) - seen:
            facts = read_receipt(receipt).facts
            write_sealed(receipt, {**facts, "committed": f"2026-11-21T00:00:{second:02}+00:00"})
            seen.add(receipt)
    return outcome


def made(root: Path) -> dict[str, int]:
    """How many results each stage has."""
    return {stage.name: len(list(stage.iterdir())) for stage in sorted(root.glob("[!.]*"))}


def size(root: Path) -> int:
    return sum(path.stat().st_size for path in root.glob("[!.]*/**/*") if path.is_file())


def gone(root: Path, word: str, keep: int) -> Collected:
    return collect(spoken(word), Store(root), keep)


def test_the_newest_of_each_stage_stay(tmp_path: Path) -> None:
    nights(tmp_path, "pqrs")
    before = size(tmp_path)
    found = gone(tmp_path, "s", keep=2)
    assert made(tmp_path) == {"a": 2, "b-x": 2, "b-y": 2, "c": 2}
    assert len(found.results) == 8
    assert size(tmp_path) == before - found.bytes
    assert (
        set(statuses(run(spoken("r"), tmp_path)).values()) == set(statuses(run(spoken("s"), tmp_path)).values()) == {"skipped"}
    )
    assert statuses(run(spoken("p"), tmp_path))["a"] == "done", "made again, since it is asked for"
    assert not list((tmp_path / ".scratch").iterdir())


def test_what_is_present_stays_however_old(tmp_path: Path) -> None:
    """Settings went back to those of the first night."""
    nights(tmp_path, "pqrs")
    gone(tmp_path, "p", keep=1)
    assert made(tmp_path) == {"a": 2, "b-x": 2, "b-y": 2, "c": 2}
    assert set(statuses(run(spoken("p"), tmp_path)).values()) == {"skipped"}


def test_a_stage_that_is_yet_to_run_keeps_its_newest(tmp_path: Path) -> None:
    nights(tmp_path, "pq")
    found = gone(tmp_path, "new", keep=1)
    assert [name.partition("/")[0] for name in found.results] == ["a", "b-x", "b-y", "c"]
    assert set(statuses(run(spoken("q"), tmp_path)).values()) == {"skipped"}


def test_nothing_is_taken_from_under_a_run(tmp_path: Path) -> None:
    nights(tmp_path, "pq")
    with turn(tmp_path), pytest.raises(Busy, match="is being run by process"):
        gone(tmp_path, "q", keep=1)
    assert made(tmp_path) == {"a": 2, "b-x": 2, "b-y": 2, "c": 2}


def test_a_damaged_receipt_is_refused_by_name_and_nothing_is_taken_away(tmp_path: Path) -> None:
    nights(tmp_path, "pqr")
    before, harmed = made(tmp_path), max((tmp_path / "b-x").glob(f"*/{RECEIPT}"))
    harmed.write_text(harmed.read_text("utf-8").replace('"b/x"', '"b/y"'))
    with pytest.raises(Refused, match=f"{harmed.parent.name}/receipt.json: damaged: .*; remove .* to make it again"):
        gone(tmp_path, "r", keep=1)
    assert made(tmp_path) == before
