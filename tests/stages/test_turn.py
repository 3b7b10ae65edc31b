"""Two triggers, one run: the second leaves at once, or waits; a killed holder keeps nobody waiting."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from recsys_cl.core.errors import Busy
from recsys_cl.stages.turn import turn

ROOT = Path(__file__).parents[2]
HOLDER = "import sys, signal; from pathlib import Path; from recsys_cl.stages.turn import turn\nwith turn(Path(sys.argv[1])):\n    print('mine', flush=True); signal.pause()"


def test_the_second_trigger_says_who_is_at_it_and_a_killed_one_frees_it(tmp_path: Path) -> None:
    root = tmp_path / "shop"
    with subprocess.Popen([sys.executable, "-c", HOLDER, root], cwd=ROOT, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "mine\n"
        with pytest.raises(Busy, match=rf"pipeline 'shop' is being run by process {holder.pid} on .* since 20"), turn(root):
            pytest.fail("both have the turn")
        os.kill(holder.pid, signal.SIGKILL)
        with turn(root, wait=True):
            pass
    assert Busy.exit_code == 0, "a scheduler has nothing to report"


def test_after_a_failure_the_turn_is_free(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), turn(tmp_path / "shop"):
        _ = 1 / 0
    with turn(tmp_path / "shop"):
        pass
