"""A stage is made once for its inputs and settings, survives any death, and never shows half a result."""

from __future__ import annotations

import json
import multiprocessing
import os
import re
import shutil
import signal
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from recsys_cl.core.errors import Refused
from recsys_cl.core.protocols import Job
from recsys_cl.stages.runner import Outcome, needed_for, run_stages
from recsys_cl.stages.store import Store, verify
from tests.warm import start

ROOT = Path(__file__).parents[2]


@dataclass
class Step:
    """A stage for tests: joins what it reads, adds its word, counts its runs."""

    name: str
    reads: tuple[str, ...] = ()
    word: str = ""
    version: int = 1
    log: dict[str, str] = field(default_factory=dict)
    runs: int = 0
    work: Callable[[Job], None] | None = None

    @property
    def writes(self) -> tuple[str, ...]:
        return (f"out/{self.name}",)

    @property
    def settings(self) -> Mapping[str, Any]:
        return {"word": self.word}

    def outside(self) -> Mapping[str, str]:
        return self.log

    def run(self, job: Job) -> Mapping[str, float]:
        self.runs += 1
        if self.work:
            self.work(job)
        text = " ".join([*(path.read_text() for path in job.reads.values()), self.word])
        job.out(self.writes[0]).write_text(text)
        return {"letters": len(text)}


@dataclass
class Trained(Step):
    """Its result is a folder, which ``work`` makes."""

    @property
    def writes(self) -> tuple[str, ...]:
        return ("model",)

    def run(self, job: Job) -> Mapping[str, float]:
        assert self.work
        self.work(job)
        return {}


def chain() -> list[Step]:
    return [
        Step("a", word="one"),
        Step("b/x", reads=("out/a",), word="two"),
        Step("b/y", reads=("out/a",), word="three"),
        Step("c", reads=("out/b/x", "out/b/y")),
    ]


def run(steps: list[Step], root: Path, **options: Any) -> Outcome:
    return run_stages(steps, Store(root), lambda *_: None, **options)


def statuses(outcome: Outcome) -> dict[str, str]:
    return {done.stage.name: done.status for done in outcome.done}


def test_a_second_run_does_nothing(tmp_path: Path) -> None:
    steps = chain()
    first, second = run(steps, tmp_path), run(steps, tmp_path)
    assert set(statuses(first).values()) == {"done"}
    assert set(statuses(second).values()) == {"skipped"}
    assert [step.runs for step in steps] == [1, 1, 1, 1]
    assert second.artifacts["out/c"].path.read_text().split() == ["one", "two", "one", "three"]


def test_a_change_reruns_only_what_depends_on_it(tmp_path: Path) -> None:
    run(chain(), tmp_path)
    changed = chain()
    changed[1].word = "TWO"
    assert statuses(run(changed, tmp_path)) == {"a": "skipped", "b/x": "done", "b/y": "skipped", "c": "done"}
    assert statuses(run(chain(), tmp_path)) == dict.fromkeys(("a", "b/x", "b/y", "c"), "skipped"), "going back costs nothing"


@pytest.mark.parametrize("change", [{"version": 2}, {"log": {"file": "other digest"}}])
def test_version_and_outside_inputs_are_part_of_the_fingerprint(tmp_path: Path, change: dict[str, Any]) -> None:
    run(chain(), tmp_path)
    changed = chain()
    vars(changed[0]).update(change)
    assert statuses(run(changed, tmp_path)) == {"a": "done", "b/x": "skipped", "b/y": "skipped", "c": "skipped"}, (
        "the same bytes came out, so nothing behind it runs"
    )


def test_another_package_makes_everything_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run(chain(), tmp_path)
    monkeypatch.setattr("recsys_cl.stages.store.VERSION", "0.0.0+other")
    assert set(statuses(run(chain(), tmp_path)).values()) == {"done"}


def test_until_and_force(tmp_path: Path) -> None:
    steps = chain()
    assert list(statuses(run(steps, tmp_path, until="b"))) == ["a", "b/x", "b/y"]
    assert list(statuses(run(steps, tmp_path, until="b/x"))) == ["a", "b/x"]
    forced = statuses(run(steps, tmp_path, force="b/y"))
    assert forced == {"a": "skipped", "b/x": "skipped", "b/y": "done", "c": "done"}
    with pytest.raises(Refused, match=r"no stage 'bb'; did you mean 'b'"):
        run(steps, tmp_path, until="bb")


def test_a_failed_stage_commits_nothing_and_keeps_its_scratch_for_the_next_try(tmp_path: Path) -> None:
    def checkpointed(job: Job) -> None:
        notes = job.scratch / "checkpoint"
        if not notes.exists():
            notes.write_text("half way")
            job.out("out/a").write_text("unfinished")
            raise RuntimeError("the lights went out")

    step = Step("a", word="one", work=checkpointed)
    with pytest.raises(RuntimeError, match="lights"):
        run([step], tmp_path)
    assert not list(tmp_path.glob("a/*"))
    outcome = run([step], tmp_path)
    assert outcome.artifacts["out/a"].path.read_text() == " one".strip()
    assert not list(tmp_path.glob(".scratch/*")), "nothing is left behind"
    assert not list((tmp_path / "a").rglob("checkpoint"))


@pytest.mark.parametrize("said", ["the log is empty", "a: the log is empty"])
def test_a_refusal_names_the_stage_once(tmp_path: Path, said: str) -> None:
    def refuse(job: Job) -> None:
        raise Refused(said)

    with pytest.raises(Refused, match=r"^a: the log is empty$"):
        run([Step("a", work=refuse)], tmp_path)


@pytest.mark.parametrize("harm", ["flip", "truncate", "remove"])
def test_a_damaged_artifact_is_refused_by_name_before_it_is_used(tmp_path: Path, harm: str) -> None:
    path = run(chain(), tmp_path).artifacts["out/a"].path
    whole = path.read_bytes()
    if harm == "remove":
        path.unlink()
    else:
        path.write_bytes(whole[:-1] if harm == "truncate" else bytes([whole[0] ^ 1]) + whole[1:])
    changed = chain()
    changed[1].word = "TWO"
    with pytest.raises(Refused, match=r"artifact 'out/a' is damaged"):
        run(changed, tmp_path)


@pytest.mark.parametrize("harm", ["change", "remove", "add"])
def test_of_a_damaged_folder_the_file_is_named(tmp_path: Path, harm: str) -> None:
    def work(job: Job) -> None:
        job.out("model").mkdir()
        for name in ("recipe.json", "weights"):
            (job.out("model") / name).write_text(name)

    [artifact] = run([Trained("a", work=work)], tmp_path).artifacts.values()
    verify("model", artifact)
    file = artifact.path / ("more" if harm == "add" else "weights")
    file.unlink() if harm == "remove" else file.write_text("weight5")
    with pytest.raises(Refused, match=f"artifact 'model' is damaged: {re.escape(str(file))} is not what was committed"):
        verify("model", artifact)


def test_the_receipt_says_what_was_done(tmp_path: Path) -> None:
    outcome = run(chain(), tmp_path)
    receipt = json.loads((outcome.artifacts["out/b/x"].path.parent / "receipt.json").read_text())
    assert receipt["stage"] == "b/x"
    assert receipt["reads"] == {"out/a": outcome.artifacts["out/a"].digest}
    assert receipt["counts"] == {"letters": len("one two")}
    assert receipt["writes"]["out/b/x"]["digest"] == outcome.artifacts["out/b/x"].digest


@pytest.mark.parametrize(
    "harm",
    [
        lambda whole: whole[:200],
        lambda whole: b"",
        lambda whole: b"[]",
        lambda whole: whole.replace(b'"letters": 3', b'"letters": 93'),
        lambda whole: whole.replace(b'"writes"', b'"wrytes"'),
        lambda whole: whole.replace(b"i", b"\xe9", 1),
        lambda whole: whole.rstrip(),
    ],
)
def test_a_damaged_receipt_is_refused_by_name_with_what_to_do(tmp_path: Path, harm: Callable[[bytes], bytes]) -> None:
    folder = run(chain(), tmp_path).artifacts["out/a"].path.parent
    path = folder / "receipt.json"
    path.write_bytes(harm(path.read_bytes()))
    told = f"{re.escape(str(path))}: damaged: .*; remove {re.escape(str(folder))} to make it again"
    with pytest.raises(Refused, match=told):
        run(chain(), tmp_path)
    with pytest.raises(Refused, match=told):
        Store(tmp_path).newest(chain()[0])
    shutil.rmtree(folder)
    assert statuses(run(chain(), tmp_path))["a"] == "done"


def test_a_receipt_of_before_there_were_seals_still_stands(tmp_path: Path) -> None:
    path = run(chain(), tmp_path).artifacts["out/a"].path.parent / "receipt.json"
    facts = json.loads(path.read_text())
    del facts["seal"]
    path.write_text(json.dumps(facts))
    assert statuses(run(chain(), tmp_path))["a"] == "skipped"
    del facts["writes"]
    path.write_text(json.dumps(facts))
    with pytest.raises(Refused, match="damaged: not what was committed"):
        run(chain(), tmp_path)


def test_what_a_folder_cost_is_kept_and_is_no_part_of_it(tmp_path: Path) -> None:
    """Made again, the same bytes have the same digest, however long it took; so nothing that reads them runs again."""
    seconds = iter((1.0, 2.0, 3.0))

    def work(job: Job) -> None:
        job.out("model").mkdir()
        (job.out("model") / "weights").write_text("the same")
        (job.out("model") / "cost.json").write_text(json.dumps({"seconds": next(seconds)}))

    @dataclass
    class Measured(Step):
        def run(self, job: Job) -> Mapping[str, float]:
            self.runs += 1
            job.out(self.writes[0]).write_text((job.reads["model"] / "weights").read_text())
            return {}

    steps = [Trained("train", work=work), Measured("evaluate", reads=("model",))]
    first = run(steps, tmp_path)
    again = run(steps, tmp_path, force="train")
    assert [done.status for done in again.done] == ["done", "skipped"]
    assert again.artifacts["model"].digest == first.artifacts["model"].digest
    assert json.loads((again.artifacts["model"].path / "cost.json").read_text()) == {"seconds": 2.0}, "the newest is kept"
    (again.artifacts["model"].path / "weights").write_text("another")
    with pytest.raises(Refused, match="'model' is damaged"):
        run(steps, tmp_path, force="evaluate")


def test_a_missing_result_is_told(tmp_path: Path) -> None:
    step = Step("a", work=lambda job: None)
    step.run = lambda job: {}  # type: ignore[method-assign]
    with pytest.raises(Exception, match="did not write it"):
        run([step], tmp_path)


SCRIPT = """
import sys, time
sys.path.insert(0, {root!r})
from pathlib import Path
from tests.stages.test_runner import Step, run
def slow(job):
    Path({marks!r}, str(__import__('os').getpid())).touch()
    time.sleep(0.5)
run([Step("a", word="one", work=slow)], Path({store!r}))
"""


def test_two_processes_make_one_result(tmp_path: Path) -> None:
    marks = tmp_path / "marks"
    marks.mkdir()
    script = SCRIPT.format(root=str(ROOT), marks=str(marks), store=str(tmp_path / "store"))
    racers = [start(script) for _ in range(3)]
    assert [racer.done().returncode for racer in racers] == [0, 0, 0]
    assert len(list(marks.iterdir())) == 1, "the others waited and found it"


def die_at(operation: int, store: Path) -> None:
    """Run the chain and die, as by kill -9, at the n-th operation that changes the file system."""
    calls = 0

    def deadly(inner: Callable[..., Any]) -> Callable[..., Any]:
        def act(*args: Any, **kwargs: Any) -> Any:
            nonlocal calls
            calls += 1
            if calls == operation:
                os.kill(os.getpid(), signal.SIGKILL)
            return inner(*args, **kwargs)

        return act

    os.fsync = deadly(os.fsync)
    shutil.rmtree = deadly(shutil.rmtree)  # type: ignore[assignment]
    for name in ("rename", "replace", "mkdir", "write_text"):
        setattr(Path, name, deadly(getattr(Path, name)))
    run(chain(), store)


def test_killed_at_any_file_operation_the_same_command_finishes_the_job(tmp_path: Path) -> None:
    expected = {name: artifact.digest for name, artifact in run(chain(), tmp_path / "whole").artifacts.items()}
    processes = multiprocessing.get_context("fork")
    for operation in range(1, 400):
        store = tmp_path / f"killed-{operation}"
        victim = processes.Process(target=die_at, args=(operation, store))
        victim.start()
        victim.join()
        outcome = run(chain(), store)
        assert {name: artifact.digest for name, artifact in outcome.artifacts.items()} == expected
        assert not list(store.glob(".scratch/*")), f"scratch is left behind after death at operation {operation}"
        if victim.exitcode == 0:
            assert operation > 40, "the sweep must have met every stage"
            return
    pytest.fail("the sweep never reached the end of the run")


def test_what_a_stage_needs_leaves_its_neighbours_out() -> None:
    assert [stage.name for stage in needed_for(chain(), "b/y")] == ["a", "b/y"]
    assert [stage.name for stage in needed_for(chain(), "c")] == ["a", "b/x", "b/y", "c"]
