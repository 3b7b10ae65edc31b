"""Threads wait asleep beside other programs, and as their user wishes."""

from __future__ import annotations

import os
import subprocess
import sys

import psutil
import pytest

from recsys_cl.core.spinning import BRIEFLY, SPIN, spin_briefly_beside_others


@pytest.fixture
def unloaded(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """As before torch is loaded, in an environment that says nothing of it, on a machine of four cores."""
    monkeypatch.setitem(os.environ, SPIN, "taken back afterwards")
    monkeypatch.delenv(SPIN)
    monkeypatch.delitem(sys.modules, "torch", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 4)
    return monkeypatch


@pytest.mark.parametrize(("busy", "said"), [(0.0, None), (11.0, None), (13.0, BRIEFLY), (100.0, BRIEFLY)])
def test_half_a_core_that_others_use_is_enough(unloaded: pytest.MonkeyPatch, busy: float, said: str | None) -> None:
    unloaded.setattr(psutil, "cpu_percent", lambda _seconds: busy)
    spin_briefly_beside_others()
    assert os.environ.get(SPIN) == said


def test_what_the_user_has_set_stands(unloaded: pytest.MonkeyPatch) -> None:
    unloaded.setattr(psutil, "cpu_percent", lambda _seconds: 100.0)
    unloaded.setenv(SPIN, "7")
    spin_briefly_beside_others()
    assert os.environ[SPIN] == "7"


@pytest.mark.parametrize("command", ["run", "tune", "compare-protocols"])
def test_torch_is_not_yet_loaded_when_a_command_looks(command: str) -> None:
    look = f"""
import sys
from recsys_cl.core import spinning
spinning.spin_briefly_beside_others = lambda: sys.exit(40 + ("torch" in sys.modules))
from recsys_cl.cli import app
app(["{command}", "nowhere.toml"])
"""
    assert subprocess.run([sys.executable, "-c", look], check=False).returncode == 40
