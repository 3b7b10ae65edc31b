"""`ingest --input`, `check` and `data` as a person meets them: one JSON object, the promised exit codes, an instant start."""

from __future__ import annotations

import inspect
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from recsys_cl.commands import data
from recsys_cl.ingest.settings import Ingest
from recsys_cl.ingest.versions.lock import writing
from tests.warm import COMMAND, PLAIN, recsys_cl

ROOT = Path(__file__).parents[2]
LOG = "customer,sku,at\n" + "".join(f"u{n % 9},i{n % 7},{1_600_000_000 + n}\n" for n in range(60))
NAMES = ("--columns", "user_id=customer,item_id=sku", "--columns", "timestamp=at")
SMALL = """
name = "small"
[ingest.source]
use = "dataset"
path = "set"
[prepare]
split = { use = "leave_last_out" }
[[experiments]]
recipe = "popular"
"""


def cli(*arguments: object, folder: Path) -> subprocess.CompletedProcess[str]:
    return recsys_cl(*arguments, cwd=folder)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "log.csv").write_text(LOG)
    return tmp_path


def summary(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def ingested(folder: Path) -> dict[str, Any]:
    return summary(cli("ingest", "--input", "log.csv", "--out", "set", "--json", *NAMES, folder=folder))


@pytest.mark.slow
def test_one_object_with_everything_in_it_and_the_tools_around_it(folder: Path) -> None:
    made = ingested(folder)
    assert made["rows_in"] == made["rows_kept"] == 60
    assert {"rows_quarantined", "rows_deduplicated", "users", "items", "first", "last", "digest", "path", "version", "late"} <= set(made)  # fmt: skip
    (version,) = json.loads(cli("data", "versions", "set", "--json", folder=folder).stdout.splitlines()[-1])
    assert (version["number"], version["digest"], version["rows"]) == (1, made["digest"], 60)
    assert summary(cli("data", "verify", "set", "--json", folder=folder))["digest"] == made["digest"]
    assert summary(cli("data", "gc", "set", "--keep", 1, "--json", folder=folder)) == {"versions": [], "parts": []}
    (folder / "small.toml").write_text(SMALL)
    done = cli("prepare", "small.toml", folder=folder)
    assert done.returncode == 0, done.stderr
    (report,) = (folder / "data" / "small" / "prepare").glob("*/data_report")
    assert json.loads(report.read_text())["drift"] == {"verdict": "ok", "against": None, "checks": []}
    (rows,) = (folder / "set").glob("parts/*/interactions.parquet")
    rows.write_bytes(rows.read_bytes()[:-2])
    broken = cli("data", "verify", "set", folder=folder)
    assert broken.returncode == 2
    assert "interactions.parquet" in broken.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["ingest"], ["give a pipeline, or logs with --input"]),
        (["ingest", "small.toml", "--input", "log.csv", "--out", "set"], ["not both"]),
        (["ingest", "small.toml", "--out", "set"], ["--out goes with --input"]),
        (["ingest", "small.toml", "--max-bad-fraction", "0.2"], ["--max-bad-fraction", "--set ingest.max_bad_fraction="]),
        (["ingest", "small.toml", "--columns", "user_id=who"], ["--columns goes with --input", "--set ingest.source.columns="]),
        (["ingest", "small.toml", "--wait"], ["--wait goes with --input"]),
        (["ingest", "--input", "log.csv", "--out", "set", "--data-dir", "data"], ["--data-dir goes with a pipeline"]),
        (["ingest", "--input", "log.csv"], ["--out DIR"]),
        (["ingest", "--input", "log.csv", "--out", "set"], ["log.csv", "user_id"]),
        (["ingest", "--input", "lag.csv", "--out", "set"], ["lag.csv: no such file", "log.csv"]),
        (["check", "log.csv", "--format", "cvs"], ["--format cvs", "did you mean 'csv'"]),
        (["check", "log.csv", "--columns", "user=customer"], ["did you mean 'user_id'"]),
        (["check", "log.csv", "--as-of", "soon"], ["--as-of soon"]),
        (["check", "log.csv", "--timestamp-unit", "ns"], ["--timestamp-unit ns"]),
        (["ingest", "--input", "log.csv", "--out", "set", "--watermark", "later"], ["--watermark later"]),
        (["data", "versions", "nowhere"], ["nowhere: not a data set"]),
        (["data", "verify", "nowhere"], ["nowhere: not a data set"]),
        (["data", "gc", "nowhere"], ["nowhere: not a data set"]),
    ],
)
def test_a_mistake_is_one_message_exit_2_and_nothing_made(folder: Path, arguments: list[str], words: list[str]) -> None:
    done = cli(*arguments, folder=folder)
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    for word in words:
        assert word in done.stderr
    assert not (folder / "set").exists()
    assert not (folder / "nowhere").exists()


def test_every_option_of_logs_has_the_setting_that_says_the_same() -> None:
    """What is added to the command must say what becomes of it with a pipeline."""
    ours = set(inspect.signature(data.ingest).parameters) - {"context", "given", "input_", "out", "set_", "force", "data_dir", "tracking_uri", "as_json"}  # fmt: skip
    assert set(data._OF_LOGS) == ours
    for key in filter(None, data._OF_LOGS.values()):
        assert key.split(".")[1] in Ingest.model_fields


@pytest.mark.slow
def test_a_held_lock_is_exit_3_and_says_by_whom(folder: Path) -> None:
    with writing(folder / "set", wait=False):
        done = cli("ingest", "--input", "log.csv", "--out", "set", *NAMES, folder=folder)
    assert done.returncode == 3, done.stderr
    assert f"process {os.getpid()}" in done.stderr


@pytest.mark.slow
def test_check_keeps_nothing(folder: Path) -> None:
    found = summary(cli("check", "log.csv", "--json", *NAMES, folder=folder))
    assert (found["rows_in"], found["rows_kept"], found["problems"]) == (60, 60, [])
    assert [path.name for path in folder.iterdir()] == ["log.csv"]
    assert found["digest"] == ingested(folder)["digest"]


def test_what_ingestion_needs_is_all_that_is_imported(folder: Path) -> None:
    heavy = ["torch", "mlflow", "sklearn", "scipy", "matplotlib", "torch_geometric", "sqlalchemy"]
    report = f"import atexit, sys; atexit.register(lambda: sys.stderr.write(repr(sorted(set({heavy}) & set(sys.modules)))))"
    line = [sys.executable, "-c", f"{report}\n{COMMAND}", "ingest", "--input", "log.csv", "--out", "set", *NAMES]
    done = subprocess.run(line, cwd=folder, env={**os.environ, **PLAIN}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr == "[]"


@pytest.mark.slow
@pytest.mark.parametrize(("target", "said"), [("/dev/full", "No space left on device"), ("closed", "")])
def test_an_output_that_nobody_can_read_ends_with_3_after_the_commit(folder: Path, target: str, said: str) -> None:
    line = [sys.executable, "-m", "recsys_cl", "ingest", "--input", "log.csv", "--out", "set", "--json", *NAMES]
    reader, writer = os.pipe() if target == "closed" else (None, os.open(target, os.O_WRONLY))
    if reader is not None:
        os.close(reader)
    variables = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(line, cwd=folder, env=variables, stdout=writer, stderr=subprocess.PIPE, text=True, check=False)
    os.close(writer)
    assert done.returncode == 3
    assert "Traceback" not in done.stderr
    assert said in done.stderr
    assert cli("data", "verify", "set", folder=folder).returncode == 0
