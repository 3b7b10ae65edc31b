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
set.training = { epochs = 30, refit = true }
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


def wait_for_checkpoint(folder: Path, process: subprocess.Popen[str], epoch: int) -> None:
    pause = Event()
    while process.poll() is None and not any(int(path.stem) >= epoch for path in checkpoints(folder)):
        pause.wait(0.005)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_sigterm_and_sigkill_in_training_change_no_byte(tmp_path: Path) -> None:
    peace = start(tmp_path / "peace")
    peace.communicate()
    assert peace.returncode == 0
    folder, resumed = tmp_path / "stopped", []
    for kind, epoch, code in ((signal.SIGTERM, 3, 130), (signal.SIGKILL, 9, -signal.SIGKILL)):
        stopped = start(folder)
        wait_for_checkpoint(folder, stopped, epoch)
        stopped.send_signal(kind)
        _, said = stopped.communicate()
        assert stopped.returncode == code, said
        assert "Traceback" not in said
        resumed.append(max((int(path.stem) for path in checkpoints(folder)), default=0))
    assert 3 <= resumed[0] < resumed[1], "each began where the one before was stopped"
    last = start(folder)
    assert (last.communicate(), last.returncode)[1] == 0
    assert model(folder) == model(tmp_path / "peace")
    assert {"weights.safetensors", "summary.json", "history.jsonl"} < model(folder).keys()
    assert not checkpoints(folder)
