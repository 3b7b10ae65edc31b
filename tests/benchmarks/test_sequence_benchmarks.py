"""The sequence benchmark runs, at a tiny size, and what it times our step against is a recommender."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import get_args

import pytest
import torch

from benchmarks import sequence as bench
from benchmarks.histories import made_up
from benchmarks.sequence_reference import Loss, Reference
from recsys_cl.core.values import Interactions, Shape

ROOT = Path(__file__).parent.parent.parent


def circle(users: int = 60, items: int = 20) -> Interactions:
    """Everybody walks along one circle of all items."""
    time, user = torch.arange(6)[:, None].expand(-1, users), torch.arange(users).expand(6, -1)
    return Interactions(Shape(users, items), user.flatten(), ((user + time) % items).flatten(), time.flatten())


@pytest.mark.parametrize("loss", get_args(Loss))
def test_the_reference_learns_what_comes_next(loss: Loss) -> None:
    torch.manual_seed(1)
    data = circle()
    plain = Reference(loss, data, dim=16, length=8, layers=1)
    plain.optimizer = torch.optim.Adam(plain.parameters(), lr=0.01)
    target = (torch.arange(60) + 6) % 20
    before = plain.ranked(target)
    for _ in range(60):
        for _ in plain.steps():
            pass
    assert plain.ranked(target) > before + 0.2


@pytest.mark.parametrize("part", ["steps", "evaluation"])
def test_a_part_measures_both(part: str, monkeypatch: pytest.MonkeyPatch) -> None:
    data = made_up(300, 50, 5)
    monkeypatch.setattr(bench, "beauty", lambda: ("tiny", data, torch.arange(300) % 50))
    found = bench.PARTS[part](1, 2)
    assert found["data"] == "tiny"
    for loss in get_args(Loss) if part == "steps" else ():
        assert found[loss]["wall"]["ratio"] == pytest.approx(found[loss]["wall"]["reference_ms"] / found[loss]["wall"]["ms"])
    assert part == "steps" or found["ratio"] > 0


def test_histories_have_their_mean_length() -> None:
    data = made_up(2_000, 100, 20)
    assert data.by_user().lengths.double().mean().item() == pytest.approx(20, abs=0.5)
    assert torch.equal(made_up(2_000, 100, 20).items, data.items)


def test_the_peak_is_that_of_what_is_held() -> None:
    script = (
        "import torch; from benchmarks.sequence import peak_mib; "
        "before = peak_mib(); held = torch.ones(2**25); print(peak_mib() - before)"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert 2**27 / 2**20 * 0.5 < float(done.stdout) < 2**27 / 2**20 * 1.5
