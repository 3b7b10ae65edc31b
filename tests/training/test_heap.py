"""Freed memory is used again while it is kept, and given back afterwards."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

PROGRAM = """
import json, resource
from pathlib import Path
import torch
from recsys_cl.training import heap

def step():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    torch.ones(2**23)  # 32 MiB, 8,192 pages
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

def resident():
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS:")) / 2**10

step()
plain, empty = step(), resident()
with heap.kept():
    for _ in range(20):  # until there are blocks long enough for what must be aligned
        step()
    kept, held = step(), resident()
print(json.dumps({"plain": plain, "kept": kept, "held": held - empty, "afterwards": resident() - empty, "again": step()}))
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc's allocator is what is told")
def test_a_step_finds_the_memory_of_the_last_one():
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)
    assert found["kept"] < found["plain"] / 10
    assert 30 < found["held"] < 300
    assert found["afterwards"] < 10
    assert found["again"] >= found["plain"] / 2
