"""Commands side by side: as many as allowed, failures kept by their kind, and nobody left behind."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path
from threading import Thread

import pytest

from recsys_cl.core.errors import RecsysError, Refused, Unavailable
from recsys_cl.core.spinning import BRIEFLY, SPIN
from recsys_cl.stages.side_by_side import Worker, run_side_by_side


def python(text: str) -> list[str]:
    return [sys.executable, "-S", "-c", text]


def test_whoever_runs_them_reads_what_they_say_whatever_its_own_form(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECSYS_CL_LOG_FORMAT", "json")
    assert Worker("shop.toml", (), Path("data"), None).environment["RECSYS_CL_LOG_FORMAT"] == "text"


def test_all_are_run_and_told(tmp_path: Path) -> None:
    seen: list[str] = []
    taken = run_side_by_side(
        ["a", "b", "c"],
        lambda name: python(f"import pathlib; pathlib.Path({str(tmp_path)!r}, {name!r}).touch()"),
        2,
        lambda name, status, _: seen.append(f"{name} {status}"),
    )
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b", "c"] == sorted(taken)
    assert sorted(seen) == ["a running", "b running", "c running"]


@pytest.mark.parametrize(("code", "kind"), [(2, Refused), (3, Unavailable), (1, RecsysError)])
def test_the_first_failure_is_told_by_its_kind_and_none_is_begun_after_it(tmp_path: Path, code: int, kind: type) -> None:
    text = f"import sys; print('recsys-cl: train/a: no luck', file=sys.stderr); sys.exit({code})"
    with pytest.raises(kind, match=r"^train/a: no luck$"):
        run_side_by_side(["a", "b"], lambda name: python(text if name == "a" else "open('b', 'w')"), 1, lambda *_: None)
    assert not Path("b").exists()


def test_whoever_is_stopped_stops_the_others(tmp_path: Path) -> None:
    """The command is interrupted once its two processes wait; both are asked to stop, and end."""
    marks = [tmp_path / name for name in ("a", "b")]

    def interrupt() -> None:
        while not all(mark.exists() for mark in marks):
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGINT)

    watcher = Thread(target=interrupt, daemon=True)
    watcher.start()
    text = "import pathlib, signal, sys; pathlib.Path(sys.argv[1]).touch(); signal.pause()"
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell starts what runs in the background without it
    try:
        with pytest.raises(KeyboardInterrupt):
            run_side_by_side(["a", "b"], lambda name: [*python(text), str(tmp_path / name)], 2, lambda *_: None)
    finally:
        signal.signal(signal.SIGINT, before)
    watcher.join()


def test_a_worker_repeats_what_was_asked_for() -> None:
    worker = Worker("shop.toml", ("seed=2", "a=b"), Path("/data"), "https://me:hunter2@mlflow")
    assert worker.command("train/sgl")[1:] == [
        *("-m", "recsys_cl", "run", "shop.toml", "--set", "seed=2", "--set", "a=b"),
        *("--data-dir", "/data", "--only", "train/sgl"),
    ]
    assert worker.environment is not None
    assert worker.environment["MLFLOW_TRACKING_URI"] == "https://me:hunter2@mlflow", "where `ps` does not show it"
    here = {SPIN: BRIEFLY, **os.environ, "RECSYS_CL_LOG_FORMAT": "text"}
    assert Worker("shop.toml", (), Path("/data"), None).environment == here, "as it is"
