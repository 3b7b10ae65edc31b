"""The command line as a person meets it: help that teaches, one message for a mistake, the promised exit codes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.warm import PLAIN, recsys_cl

SMALL = """
name = "small"
[ingest.source]
use = "csv"
path = "log.csv"
[prepare]
split = { use = "leave_last_out" }
[[experiments]]
recipe = "popular"
"""
LOG = "user_id,item_id,timestamp\n" + "".join(f"u{u},i{(u + n) % 7},{1_600_000_000 + n}\n" for u in range(5) for n in range(5))


def cli(*arguments: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return recsys_cl(*arguments, cwd=folder, env=environment)


def cold(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """As a person starts it."""
    command = [sys.executable, "-m", "recsys_cl", *arguments]
    return subprocess.run(command, cwd=folder, env={**os.environ, **PLAIN}, capture_output=True, text=True, check=False)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "small.toml").write_text(SMALL)
    (tmp_path / "log.csv").write_text(LOG)
    return tmp_path


def test_help_names_every_command_and_the_exit_codes(tmp_path: Path) -> None:
    done = cold("--help", folder=tmp_path)
    assert done.returncode == 0
    stages = ("run", "ingest", "prepare", "train", "audit", "evaluate", "report", "register")
    looking = ("recommend", "recipes", "doctor", "gc", "serve", "promote", "rollback", "runs", "models", "Exit codes")
    others = ("tune", "compare", "compare-protocols", *looking)
    for word in (*stages, *others):
        assert word in done.stdout


def assert_refused(done: subprocess.CompletedProcess[str], *words: str) -> None:
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    for word in words:
        assert word in done.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["run", "smal.toml"], ["smal.toml: no such file", "did you mean 'small.toml'"]),
        (["run", "small.toml", "--set", "prepare.splits=1"], ["prepare.splits", "did you mean 'split'"]),
        (["run", "small.toml", "--set", "seed"], ["expected key=value"]),
        (["run", "small.toml", "--until", "evaluat"], ["did you mean 'evaluate'"]),
        (["run", "small.toml", "--untill", "x"], ["--untill"]),
        (["rum", "small.toml"], ["rum"]),
    ],
)
def test_a_mistake_is_one_message_and_exit_2(folder: Path, arguments: list[str], words: list[str]) -> None:
    assert_refused(cli(*arguments, folder=folder), *words)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", ["log.csv"]),
        (b"user_id,item_id\nu,i\n", ["log.csv", "timestamp"]),
        (b"user_id,itemid,timestamp\nu,i,1600000000\n", ["log.csv", "item_id", "itemid"]),
        ("user_id,item_id,timestamp\nu,i,1\n".encode("utf-16"), ["log.csv", "UTF-8"]),
        (b"PAR1" + bytes(100), ["log.csv"]),
        (b"user_id,item_id,timestamp\n", ["log.csv"]),
        (b"user_id,item_id,timestamp\nu,i,1600000000\n", ["prepare"]),
    ],
    ids=["empty", "no timestamp", "misspelt column", "utf-16", "parquet by another name", "no rows", "nothing to hold out"],
)
def test_a_bad_log_is_one_sentence_exit_2_and_commits_nothing(folder: Path, content: bytes, words: list[str]) -> None:
    (folder / "log.csv").write_bytes(content)
    assert_refused(cli("prepare", "small.toml", folder=folder), *words)
    assert not list((folder / "data" / "small").glob("prepare/*"))


def test_the_last_line_of_json_is_the_result(folder: Path) -> None:
    done = cold("evaluate", "small.toml", "--json", folder=folder)
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout.splitlines()[-1])
    assert answer["pipeline"] == "small"
    assert [stage["name"] for stage in answer["stages"]][:2] == ["ingest", "prepare"]
    assert answer["report"] is None
    assert not (folder / "mlflow.db").exists(), "the store has its own folder"


def test_a_folder_that_cannot_be_made_is_exit_3(folder: Path) -> None:
    (folder / "data").write_text("a file is in the way")
    done = cli("prepare", "small.toml", folder=folder)
    assert done.returncode == 3, done.stderr
    assert "cannot write" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_old_results_are_taken_away_and_what_is_up_to_date_stays(folder: Path) -> None:
    for _ in range(2):
        assert cli("prepare", "small.toml", folder=folder).returncode == 0
        (folder / "log.csv").write_text(LOG + "u1,i9,1700000000\n")
    assert_refused(cli("gc", "small.toml", "--keep", "0", folder=folder), "--keep")
    done = cli("gc", "small.toml", "--keep", "1", "--json", folder=folder)
    gone = json.loads(done.stdout.splitlines()[-1])
    assert [name.partition("/")[0] for name in gone["results"]] == ["ingest", "prepare"]
    again = cli("prepare", "small.toml", "--json", folder=folder)
    assert [stage["status"] for stage in json.loads(again.stdout.splitlines()[-1])["stages"]] == ["skipped", "skipped"]


def test_recipes_lists_papers_and_numbers(tmp_path: Path) -> None:
    listed = json.loads(cli("recipes", "--json", folder=tmp_path).stdout.splitlines()[-1])
    assert listed["xsimgcl"]["provenance"]["published"][0]["selection"] == "test"
    table = cli("recipes", folder=tmp_path).stdout
    assert "arXiv:2209.02544" in table


def test_doctor_finds_the_machine_fit(tmp_path: Path) -> None:
    done = cli("doctor", "--json", folder=tmp_path)
    assert done.returncode == 0, done.stdout
    found = {finding["what"]: finding["level"] for finding in json.loads(done.stdout.splitlines()[-1])}
    assert {"python", "torch", "mlflow", "device", "data folder", "tracking store"} <= set(found)


def test_an_unknown_model_is_refused(tmp_path: Path) -> None:
    assert_refused(cli("recommend", "--model", "models:/nothing@champion", "--out", "x.parquet", folder=tmp_path), "nothing")
    assert not (tmp_path / "x.parquet").exists()
