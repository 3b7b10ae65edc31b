"""Real processes: killed at a random moment, or two at once; what readers see is whole, and the digest is the same."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from recsys_cl.ingest.versions.manifest import latest, numbers
from recsys_cl.ingest.versions.verify import verify
from tests.warm import COMMAND, ROOT, python, start

from .conftest import Keeper, log_of


def command(*arguments: object, **environment: str) -> subprocess.Popen[str]:
    variables = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", **environment}
    line = [sys.executable, "-m", "recsys_cl", *map(str, arguments)]
    return subprocess.Popen(line, env=variables, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def done(process: subprocess.Popen[str]) -> dict[str, Any]:
    out, err = process.communicate()
    assert process.returncode == 0, err
    summary: dict[str, Any] = json.loads(out)
    return summary


def adding(keeper: Keeper, *logs: Path, into: str = "set", **environment: str) -> subprocess.Popen[str]:
    inputs = [text for log in logs for text in ("--input", log)]
    return command("ingest", *inputs, "--out", keeper.set.with_name(into), "--threads", "1", "--json", **environment)


@pytest.mark.slow
def test_20_partitions_in_random_order_one_of_them_killed_give_one_digest(keeper: Keeper) -> None:
    rng = random.Random()
    seed = rng.randrange(1 << 30)
    rng.seed(seed)
    rows = log_of(1500, seed)
    whole = keeper.add(keeper.log("whole.csv", rows), into="whole")
    rng.shuffle(rows)
    parts = [keeper.log(f"part{n:02d}.csv", rows[n::20]) for n in range(20)]
    rng.shuffle(parts)
    victim = rng.randrange(20)
    for number, part in enumerate(parts):
        before = latest(keeper.set)
        if number == victim:
            process = adding(keeper, part)
            time.sleep(rng.uniform(0.3, 1.2))  # the moment is the chance that is tested, not a wait for something
            process.send_signal(signal.SIGKILL)
            process.communicate()
            after = latest(keeper.set)
            assert after == before or (after is not None and after.number == number + 1), f"seed {seed}"
            if after is not None:
                verify(keeper.set)
            done(adding(keeper, part))
        else:
            keeper.add(part)
    last = latest(keeper.set)
    assert last is not None
    assert (last.digest, last.rows, last.users, last.items) == tuple(whole[k] for k in ("digest", "rows", "users", "items")), (
        seed
    )
    assert numbers(keeper.set) == list(range(1, 21))
    assert not (keeper.set / ".scratch").exists()


@pytest.mark.slow
def test_a_writer_killed_at_each_step_leaves_the_old_version_and_no_garbage_later(keeper: Keeper) -> None:
    a, b = keeper.log("a.csv", log_of(80)), keeper.log("b.csv", log_of(80, seed=2))
    keeper.add(a)
    both = keeper.add(a, b, into="other")["digest"]
    files = len([path for path in keeper.set.with_name("other").rglob("*") if path.is_file()])
    steps = ["ingest", "subtract", "describe", "compare", "commit_folder", "write_version"]
    for step in steps:
        script = (
            "import os, signal, sys\n"
            "from recsys_cl.ingest.versions import append\n"
            f"real, moment = append.{step}, sys.argv[1]\n"
            "def dying(*a, **k):\n"
            "    result = real(*a, **k) if moment == 'after' else None\n"
            "    os.kill(os.getpid(), signal.SIGKILL)\n"
            f"append.{step} = dying\n"
            "sys.argv = ['recsys-cl', *sys.argv[2:]]\n"
            "from recsys_cl.cli import main; main()\n"
        )
        for moment in ("before", "after"):
            killed = python(script, moment, "ingest", "--input", b, "--out", keeper.set)
            assert killed.returncode == -signal.SIGKILL, killed.stderr
            committed = (step, moment) == ("write_version", "after")
            assert numbers(keeper.set) == ([1, 2] if committed else [1]), (step, moment)
            verify(keeper.set)
    assert keeper.add(b)["digest"] == both
    left = [path for path in keeper.set.rglob("*") if path.is_file()]
    assert len(left) == files + 7, "a second part of six files and its description, and nothing else"


@pytest.mark.slow
def test_two_writers_at_once_are_both_there_or_one_says_who_was_first(keeper: Keeper) -> None:
    a, b = keeper.log("a.csv", log_of(400)), keeper.log("b.csv", log_of(400, seed=2))
    both = keeper.add(a, b, into="other")["digest"]
    processes = [start(COMMAND, "ingest", "--input", log, "--out", keeper.set, "--threads", 1) for log in (a, b)]
    ended = [process.done() for process in processes]
    for end in ended:
        assert end.returncode == 0 or (end.returncode == 3 and "is writing to it" in end.stderr), end.stderr
    assert 0 in [end.returncode for end in ended]
    for log, end in zip((a, b), ended, strict=True):
        if end.returncode == 3:
            keeper.add(log)
    assert latest(keeper.set).digest == both  # type: ignore[union-attr]


@pytest.mark.slow
def test_two_who_wait_are_both_there(keeper: Keeper) -> None:
    logs = [keeper.log(f"{n}.csv", log_of(300, seed=n)) for n in range(3)]
    all_three = keeper.add(*logs, into="other")["digest"]
    waiting = [start(COMMAND, "ingest", "--input", log, "--out", keeper.set, "--wait", "--json") for log in logs]
    ended = [process.done() for process in waiting]
    assert sorted(json.loads(end.stdout)["version"] for end in ended) == [1, 2, 3], ended
    assert latest(keeper.set).digest == all_three  # type: ignore[union-attr]


@pytest.mark.slow
def test_zone_and_locale_decide_nothing(keeper: Keeper) -> None:
    rows = "user_id,item_id,timestamp\nu,İ,2024-03-31T02:30:00\n\u0131,i,2024-03-31 01:30:00+01:00\nu,ß,1711850000\n"
    log = keeper.log("a.csv", rows)
    places = [("UTC", "C"), ("America/St_Johns", "tr_TR.UTF-8"), ("Pacific/Kiritimati", "de_DE.UTF-8")]
    summaries = [done(adding(keeper, log, into=f"set{n}", TZ=zone, LC_ALL=lc)) for n, (zone, lc) in enumerate(places)]
    assert len({summary["digest"] for summary in summaries}) == 1
    assert len({summary["first"] for summary in summaries}) == 1
