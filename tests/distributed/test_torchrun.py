"""`torchrun -m recsys_cl run`: the pipeline of one process, in two, killed on the way and started again."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path
from threading import Event

import psutil
import pytest
from safetensors.torch import load_file

from tests.distributed.processes import free_port, meeting
from tests.warm import COMMAND, ROOT, recsys_cl, start

PIPELINE = """
name = "two"
seed = 1
[ingest.source]
use = "synthetic"
users = 200
items = 100
events = 4000
[prepare]
split = { use = "time", valid = 0.1, test = 0.1 }
[[experiments]]
recipe = "xsimgcl"
set.training = { epochs = EPOCHS }
[[experiments]]
recipe = "sasrec-softmax"
set.training = { epochs = 2 }
set.encoder.dropout = 0.0
[runtime]
timeout = 120
"""
RECIPES = ("xsimgcl", "sasrec-softmax")


@pytest.fixture
def place(tmp_path, monkeypatch):
    (tmp_path / "mlruns").mkdir()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlruns/mlflow.db")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    return tmp_path


def _arguments(place: Path, data: str, epochs: int, *more: str) -> list[str]:
    pipeline = place / f"two-{epochs}.toml"
    pipeline.write_text(PIPELINE.replace("EPOCHS", str(epochs)), "utf-8")
    return ["run", str(pipeline), "--data-dir", str(place / data), "--until", "evaluate", *more]


def _torchrun(*arguments: str) -> list[str]:
    return [
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--nproc-per-node",
        "2",
        "--master-port",
        str(free_port()),
        "-m",
        "recsys_cl",
        *arguments,
    ]


def _killed_in_training(command: list[str], cwd: Path) -> None:
    """Start ``command``, and kill all of its processes as soon as an epoch has been told of."""
    started = subprocess.Popen(command, cwd=cwd, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
    for line in started.stderr:
        if line.startswith("train/xsimgcl  epoch 2"):
            break
    for process in [*psutil.Process(started.pid).children(recursive=True), started]:
        process.kill()
    started.communicate()


def _alone(place: Path, *arguments: str) -> dict:
    return _answered(recsys_cl(*arguments, cwd=place))


def _answer(command: list[str], cwd: Path) -> dict:
    return _answered(subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False))


def _answered(done: subprocess.CompletedProcess[str]) -> dict:
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


def _weights(place: Path, data: str, recipe: str) -> tuple[dict, dict]:
    (folder,) = (place / data / "two" / f"train-{recipe}").glob(f"*/model-{recipe}")
    told = [json.loads((folder / name).read_text("utf-8")) for name in ("summary.json", "cost.json")]
    return load_file(folder / "weights.safetensors"), told[0] | told[1]


@pytest.mark.slow
def test_two_processes_killed_and_started_again_end_where_one_ends(place):
    alone = _alone(place, *_arguments(place, "one", 4, "--json"))
    _killed_in_training(_torchrun(*_arguments(place, "both", 4)), place)
    assert not list((place / "both" / "two" / "train-xsimgcl").glob("*")), "it was killed before it had finished"
    assert list((place / "both" / "two" / ".scratch").rglob("00000*.json")), "there is a checkpoint to go on from"
    both = _answer(_torchrun(*_arguments(place, "both", 4, "--json")), place)

    for one, other in zip(alone["experiments"], both["experiments"], strict=True):
        assert (one["recipe"], one["epochs"]) == (other["recipe"], other["epochs"])
        assert other["valid"] == pytest.approx(one["valid"], abs=1e-3)
        assert other["test"] == pytest.approx(one["test"], abs=1e-3)
    for recipe in RECIPES:
        expected, summary = _weights(place, "one", recipe)
        found, shared = _weights(place, "both", recipe)
        assert (summary["processes"], shared["processes"]) == (1, 2)
        assert summary["fingerprint"] == shared["fingerprint"], "how many there are does not decide what is made"
        if recipe == "xsimgcl":  # whose products are shared out by rows: not one bit may change
            assert all(value.equal(found[name]) for name, value in expected.items())
        else:  # not every weight: Adam makes large steps of the rounding in a gradient that is zero, as that of a key's bias
            assert expected["encoder.items"].allclose(found["encoder.items"], atol=1e-3)


@pytest.mark.slow
def test_tables_in_shards_are_the_same_stage_and_the_same_model(place):
    small = ["--set", 'experiments=[{recipe="mf-bpr",set={training={epochs=3}}},{recipe="lightgcn",set={training={epochs=2}}}]']
    alone = _alone(place, *_arguments(place, "one", 1, "--json", *small))
    sharded = _arguments(place, "both", 1, "--json", *small, "--set", "runtime.shard_tables=true")
    both = _answer(_torchrun(*sharded), place)
    assert [line["recipe"] for line in both["experiments"]] == ["popular", "recent-popular", "mf-bpr", "lightgcn"]
    for one, other in zip(alone["experiments"], both["experiments"], strict=True):
        assert other["test"] == pytest.approx(one["test"], abs=1e-3), one["recipe"]
    for recipe in ("mf-bpr", "lightgcn"):
        expected, summary = _weights(place, "one", recipe)
        found, shared = _weights(place, "both", recipe)
        assert (summary["processes"], shared["processes"]) == (1, 2)
        assert summary["fingerprint"] == shared["fingerprint"]
        assert all(value.equal(found[name]) for name, value in expected.items()), recipe


@pytest.mark.slow
def test_a_killed_process_ends_the_others_with_a_message(place):
    arguments, port, pause = _arguments(place, "dead", 5000), free_port(), Event()
    first, second = (start(COMMAND, *arguments, cwd=place, env=meeting(rank, 2, port)) for rank in range(2))
    while first.runs() and "train/xsimgcl  epoch 2" not in first.said():
        pause.wait(0.02)
    second.kill()
    ended = first.done()
    assert second.done().returncode == -signal.SIGKILL
    said = ended.stderr
    assert ended.returncode == 3, said[-3000:]
    last = [line for line in said.splitlines() if line.startswith("recsys-cl: ")][-1]
    assert "rank 0 of 2 does not hear the others any more: one has died or hangs" in last
    assert "Traceback" not in said


@pytest.mark.slow
def test_several_processes_and_jobs_do_not_go_together(place):
    done = recsys_cl(*_arguments(place, "jobs", 2, "--jobs", "2"), cwd=place, env=meeting(0, 2, free_port()))
    assert done.returncode == 2
    assert "--jobs: under torchrun all processes train one recipe together" in done.stderr
