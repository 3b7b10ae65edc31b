"""Asked to stop in the midst of training, the command ends with 130, and the same command ends in the same bytes."""

from __future__ import annotations

import hashlib
import signal
from pathlib import Path
from threading import Event

import pytest

from tests.warm import COMMAND, Started, python, start

SAID = "recsys-cl: stopped; the same command goes on from here"
PIPELINE = """
name = "small"
[ingest.source]
use = "synthetic"
users = 120
items = 60
events = 3000
[prepare]
split = { use = "time" }
[[experiments]]
recipe = "mf-bpr"
set.encoder.dim = 8
set.source.batch_size = 64
set.training = { epochs = 60, refit = false }
"""


def begin(folder: Path) -> Started:
    folder.mkdir(exist_ok=True)
    (folder / "small.toml").write_text(PIPELINE)
    return start(COMMAND, "run", "small.toml", "--until", "train", cwd=folder)


def model(folder: Path) -> dict[str, str]:
    files = (folder / "data" / "small").glob("train-mf-bpr/*/model-mf-bpr/*")
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files if path.name != "cost.json"}


def checkpoints(folder: Path) -> list[Path]:
    return sorted((folder / "data" / "small").glob(".scratch/train-mf-bpr-*/checkpoint/*/*.json"))


def newest(folder: Path) -> int:
    """The last epoch that was kept."""
    return max((int(path.stem) for path in checkpoints(folder)), default=0)


def wait_for_progress(folder: Path, process: Started) -> None:
    """Until two epochs more have been kept than were when it was started."""
    pause, before = Event(), newest(folder)
    while process.runs() and newest(folder) < before + 2:
        pause.wait(0.005)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_sigterm_and_sigkill_in_training_change_no_byte(tmp_path: Path) -> None:
    assert begin(tmp_path / "peace").done().returncode == 0
    folder, kept = tmp_path / "stopped", [0]
    for kind, code in ((signal.SIGTERM, 130), (signal.SIGKILL, -signal.SIGKILL)):
        stopped = begin(folder)
        wait_for_progress(folder, stopped)
        stopped.kill(kind)
        ended = stopped.done()
        assert ended.returncode == code, ended.stderr
        assert "Traceback" not in ended.stderr
        assert code != 130 or ended.stderr.splitlines()[-1] == SAID
        kept.append(newest(folder))
    assert 0 < kept[1] < kept[2] < 60, "each went on where the one before was stopped"
    assert begin(folder).done().returncode == 0
    assert model(folder) == model(tmp_path / "peace")
    assert {"weights.safetensors", "summary.json", "history.jsonl"} < model(folder).keys()
    assert not checkpoints(folder)


LOST = """
import gc, signal, sys
from pathlib import Path
from threading import current_thread, main_thread

def collected(phase, info):
    # a signal is heard in the main thread: where another one collects, the exception comes through there
    if current_thread() is main_thread() and any(Path("data/small/.scratch").glob("train-mf-bpr-*/checkpoint/*/*.json")):
        gc.callbacks.remove(collected)
        signal.raise_signal(signal.SIGTERM)

gc.callbacks.append(collected)
from recsys_cl.cli import main
sys.argv = ["recsys-cl", "run", "small.toml", "--until", "train"]
main()
"""


@pytest.mark.slow
def test_a_signal_whose_exception_is_lost_in_the_garbage_collector_stops_it_all_the_same(tmp_path: Path) -> None:
    (tmp_path / "small.toml").write_text(PIPELINE)
    ended = python(LOST, cwd=tmp_path)
    assert "Exception ignored in" in ended.stderr, "the exception came through: this proves nothing"
    assert ended.returncode == 130, ended.stderr
    assert ended.stderr.splitlines()[-1] == SAID
    assert 0 < newest(tmp_path) < 60


IN_A_QUERY = """
import os, signal, sys
from threading import Timer
import duckdb
from recsys_cl.ingest.engines.duckdb import DuckDB

def busy(engine, sql):
    Timer(0.5, os.kill, (os.getpid(), signal.SIGTERM)).start()
    try:
        engine._connection.execute("SET threads = 1")  # of several, the one that hears signals may have nothing to do
        return engine._connection.execute("SELECT sum(range * 3) FROM range(100_000_000_000)")
    except Exception as error:
        print(type(error).__name__, error, file=sys.stderr)
        raise

DuckDB._run = busy
from recsys_cl.cli import main
sys.argv = ["recsys-cl", "run", "small.toml", "--until", "ingest"]
main()
"""


@pytest.mark.slow
def test_a_signal_that_a_query_turns_into_another_error_is_a_stop(tmp_path: Path) -> None:
    (tmp_path / "small.toml").write_text(PIPELINE)
    ended = python(IN_A_QUERY, cwd=tmp_path)
    assert "RuntimeError Query interrupted" in ended.stderr, "the interrupt came through: this proves nothing"
    assert (ended.returncode, ended.stderr.splitlines()[-1]) == (130, SAID), ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize("kind", [signal.SIGTERM, signal.SIGINT])
def test_the_second_signal_ends_a_process_that_clings_on(kind: signal.Signals) -> None:
    program = f"""
import signal
from recsys_cl.core.stopping import heed, listen
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell starts what runs in the background without it
listen()
heed()
for _ in range(2):
    try:
        signal.raise_signal({int(kind)})
    except KeyboardInterrupt:
        print("interrupted", flush=True)
try:
    heed()
except KeyboardInterrupt:
    print("remembered", flush=True)
"""
    ended = python(program)
    said = ended.stdout.split()
    if kind == signal.SIGTERM:
        assert (said, ended.returncode) == (["interrupted"], -signal.SIGTERM)
    else:
        assert (said, ended.returncode) == (["interrupted", "interrupted", "remembered"], 0)
