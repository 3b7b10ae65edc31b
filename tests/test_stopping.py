"""Asked to stop in the midst of training, the command ends with 130, and the same command ends in the same bytes."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
from pathlib import Path
from threading import Event

import pytest

ROOT = Path(__file__).parent.parent
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
set.training = { epochs = 100, refit = false }
"""


def start(folder: Path) -> subprocess.Popen[str]:
    folder.mkdir(exist_ok=True)
    (folder / "small.toml").write_text(PIPELINE)
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "NO_COLOR": "1"}
    command = [sys.executable, "-m", "recsys_cl", "run", "small.toml", "--until", "train"]
    return subprocess.Popen(command, cwd=folder, env=environment, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)


def model(folder: Path) -> dict[str, str]:
    files = (folder / "data" / "small").glob("train-mf-bpr/*/model-mf-bpr/*")
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files if path.name != "cost.json"}


def checkpoints(folder: Path) -> list[Path]:
    return sorted((folder / "data" / "small").glob(".scratch/train-mf-bpr-*/checkpoint/*/*.json"))


def newest(folder: Path) -> int:
    """The last epoch that was kept."""
    return max((int(path.stem) for path in checkpoints(folder)), default=0)


def wait_for_progress(folder: Path, process: subprocess.Popen[str]) -> None:
    """Until two epochs more have been kept than were when it was started."""
    pause, before = Event(), newest(folder)
    while process.poll() is None and newest(folder) < before + 2:
        pause.wait(0.005)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_sigterm_and_sigkill_in_training_change_no_byte(tmp_path: Path) -> None:
    peace = start(tmp_path / "peace")
    peace.communicate()
    assert peace.returncode == 0
    folder, kept = tmp_path / "stopped", [0]
    for kind, code in ((signal.SIGTERM, 130), (signal.SIGKILL, -signal.SIGKILL)):
        stopped = start(folder)
        wait_for_progress(folder, stopped)
        stopped.send_signal(kind)
        _, said = stopped.communicate()
        assert stopped.returncode == code, said
        assert "Traceback" not in said
        kept.append(newest(folder))
    assert 0 < kept[1] < kept[2] < 100, "each went on where the one before was stopped"
    last = start(folder)
    assert (last.communicate(), last.returncode)[1] == 0
    assert model(folder) == model(tmp_path / "peace")
    assert {"weights.safetensors", "summary.json", "history.jsonl"} < model(folder).keys()
    assert not checkpoints(folder)
