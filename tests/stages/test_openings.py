"""The ledger loses no opening, whoever writes at once and wherever a crash falls; and only `evaluate` opens."""

from __future__ import annotations

import ast
import json
from pathlib import Path

import pytest

from recsys_cl.config import load_pipeline
from recsys_cl.core.errors import Refused, Unavailable
from recsys_cl.stages.openings import Ledger
from recsys_cl.stages.pipeline import stages_of
from recsys_cl.stages.runner import run_stages
from recsys_cl.stages.store import Store
from recsys_cl.stages.tracking import Tracking
from tests.warm import start

ROOT = Path(__file__).parents[2]


def test_openings_are_counted_by_digest(tmp_path):
    ledger = Ledger(tmp_path / "openings")
    assert ledger.count("d") == 0
    assert [ledger.open(digest, {"experiment": "popular"}) for digest in ("d", "d", "e")] == [1, 2, 1]
    assert (ledger.count("d"), ledger.count("e")) == (2, 1)
    first = json.loads((tmp_path / "openings" / "d.jsonl").read_text("utf-8").splitlines()[0])
    assert first.keys() == {"at", "experiment"}


def test_half_a_line_of_a_crash_counts_and_spoils_nothing(tmp_path):
    ledger = Ledger(tmp_path)
    ledger.open("d", {})
    with (tmp_path / "d.jsonl").open("a") as file:
        file.write('{"at": "20')
    assert ledger.open("d", {"experiment": "next"}) == 3
    assert json.loads((tmp_path / "d.jsonl").read_text("utf-8").splitlines()[2])["experiment"] == "next"


def test_processes_at_once_lose_no_opening(tmp_path):
    script = (
        "import sys; from pathlib import Path; from recsys_cl.stages.openings import Ledger\n"
        "for _ in range(25): print(Ledger(Path(sys.argv[1])).open('d', {'who': sys.argv[2] * 500}))"
    )
    made = [start(script, tmp_path, name) for name in "abc"]
    answers = [int(line) for process in made for line in process.done().stdout.split()]
    assert sorted(answers) == list(range(1, 76)), "every opening has a number of its own"
    assert {json.loads(line)["who"][0] for line in (tmp_path / "d.jsonl").read_text("utf-8").splitlines()} == {"a", "b", "c"}


def test_what_cannot_be_recorded_is_not_opened(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(Unavailable, match=r"d\.jsonl"):
        Ledger(tmp_path / "file").open("d", {})


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A tiny pipeline, run up to its training."""
    root = tmp_path_factory.mktemp("sealed")
    rows = [f"u{user},i{(user * 7 + step * 3) % 11},{step * 100 + user}" for user in range(24) for step in range(9)]
    (root / "log.csv").write_text("user_id,item_id,timestamp\n" + "\n".join(rows) + "\n")
    (root / "tiny.toml").write_text(
        f'name = "tiny"\n[ingest.source]\nuse = "csv"\npath = "{root}/log.csv"\n[prepare]\nsplit = {{ use = "leave_last_out" }}\n'
        '[[experiments]]\nrecipe = "mf-bpr"\nset.training.epochs = 1\n'
    )
    return root


def run(home, ledger, until, force=None):
    stages = stages_of(load_pipeline(home / "tiny.toml"), Tracking("tiny", home), ledger)
    return run_stages(stages, Store(home / "data"), lambda *_: None, until, force)


def test_no_stage_that_trains_or_chooses_is_handed_the_test_part(home):
    stages = stages_of(load_pipeline(home / "tiny.toml"), Tracking("tiny", home))
    reading = {stage.name for stage in stages if "test" in stage.reads}
    assert {"evaluate/popular", "evaluate/mf-bpr"} <= reading
    others = {name for name in reading if not name.startswith("evaluate/")}
    assert others <= {"audit"}, "which looks for leaks between the parts, and scores no model"


def test_training_needs_no_test_part_and_evaluating_is_recorded_once_a_model(home):
    ledger = Ledger(home / "openings")
    prepared = run(home, ledger, "prepare").artifacts["test"]
    kept = prepared.path.read_bytes()
    prepared.path.unlink()
    run(home, ledger, "train")  # to the end, with nothing to look at
    assert ledger.count(prepared.digest) == 0
    with pytest.raises(Refused, match="'test' is damaged"):
        run(home, ledger, "evaluate")
    prepared.path.write_bytes(kept)
    done = run(home, ledger, "evaluate")
    told = [
        json.loads((done.artifacts[f"evaluation/{name}"].path / "metrics.json").read_text("utf-8"))
        for name in ("popular", "recent-popular", "mf-bpr")
    ]
    assert [facts["test_openings"] for facts in told] == [1, 2, 3]
    assert {facts["test_digest"] for facts in told} == {prepared.digest}
    run(home, ledger, "evaluate")
    assert ledger.count(prepared.digest) == 3, "what is skipped opens nothing"
    run(home, ledger, "evaluate", force="evaluate/popular")
    assert ledger.count(prepared.digest) == 4


def test_no_other_source_names_the_test_part():
    """Neither as ``reads["test"]`` nor as a file beside those that a stage was handed."""
    found = set()
    for path in (ROOT / "recsys_cl").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            handed = isinstance(node, ast.Subscript) and ast.unparse(node).endswith("reads['test']")
            named = isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.endswith("test.parquet")
            if handed or named:
                found.add(str(path.relative_to(ROOT / "recsys_cl")))
    promotion = {"stages/rematch.py", "stages/promoting.py"}  # the champion of yesterday on the test part of today, counted too
    evaluation = {"stages/evaluate.py", "stages/strangers.py"}  # strangers are read on behalf of evaluate, in the same opening
    assert found <= evaluation | promotion
