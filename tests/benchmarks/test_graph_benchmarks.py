"""The benchmarks run where they are meant to: `gpu` with nothing but torch's own surroundings, `graph`'s parts at a tiny size."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from benchmarks import graph as bench
from benchmarks.graph_reference import Reference, Setup
from benchmarks.graph_step import SETUPS, compare, step_cost
from benchmarks.graphs import made_up
from recsys_cl.config import load_recipe

ROOT = Path(__file__).parent.parent.parent
ABSENT = (
    "mlflow",
    "ibis",
    "duckdb",
    "dagster",
    "rich",
    "typer",
    "jinja2",
    "matplotlib",
    "fastapi",
    "optuna",
    "torch_geometric",
)
"""What a machine for measuring need not have."""


@pytest.fixture(autouse=True)
def _threads():
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def test_the_machine_is_measured_beside_the_steps() -> None:
    found = bench.yardsticks(made_up(300, 200, 4_000))
    assert set(found) == {"product_ms", "product_ordered_ms", "copy_gb_s"}
    assert all(figure > 0 for figure in found.values())
    assert bench.best(iter([None] * 3).__next__, times=3) >= 0
    with pytest.raises(StopIteration):
        bench.best(iter([None] * 2).__next__, times=3)


@pytest.mark.slow
def test_gpu_runs_with_few_packages_and_writes_its_table(tmp_path: Path) -> None:
    script = (
        "import sys\n"
        f"class Absent:\n    def find_spec(self, name, path=None, target=None):\n        if name.split('.')[0] in {ABSENT}:\n"
        "            raise ModuleNotFoundError(name)\n"
        "sys.meta_path.insert(0, Absent())\n"
        f"sys.argv = ['gpu', '--device', 'cpu', '--tiny', '--steps', '3', '--out', {str(tmp_path / 'gpu.json')!r}]\n"
        "from benchmarks.gpu import main\nmain()\n"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    record = json.loads((tmp_path / "gpu.json").read_text("utf-8"))
    row, read = record["rows"]
    assert record["device"].startswith("CPU")
    assert row["edges"] == 3_000
    assert row["steps"] == math.ceil(3_000 / 256)
    assert row["epoch_s"] == pytest.approx(row["step_ms"] * row["steps"] / 1e3)
    assert row["evaluation_ms"] > 0
    assert (read["recipe"], read["precision"], read["steps"]) == ("sasrec-softmax", "bf16", math.ceil(200 / 64))
    assert "tiny" in done.stdout


def test_a_made_up_graph_has_its_size_and_popular_nodes() -> None:
    data = made_up(300, 200, 3_000)
    pairs = data.users * 200 + data.items
    assert len(pairs.unique()) == len(data) == 3_000
    counts = data.items.bincount(minlength=200).sort(descending=True).values
    assert counts[:20].sum() > 0.2 * len(data)
    assert torch.equal(made_up(300, 200, 3_000).users, data.users)


@pytest.mark.parametrize("setup", SETUPS, ids=lambda setup: setup.method)
def test_each_recipe_is_timed_beside_its_reference(setup: Setup) -> None:
    row = compare(setup, made_up(3_000, 2_000, 30_000), laps=1, steps=2)
    assert row["recipe"] == setup.method
    assert all(row[f"{clock}_{what}"] > 0 for clock in ("cpu_1t", "wall_2t") for what in ("ms", "ms_reference", "ratio"))


def test_the_reference_learns() -> None:
    """What our step is timed against is a recommender, not a straw man: its loss falls."""
    torch.manual_seed(1)
    plain = Reference(Setup("lightgcn", 2, decay=0.0), made_up(60, 40, 600), dim=8, batch_size=200)
    plain.optimizer = torch.optim.Adam([plain.users, plain.items], lr=0.05)

    def gap() -> float:
        users, items, _ = plain.propagate(plain.adjacency, noisy=False)
        scores = (users @ items.T).detach()
        met = torch.zeros(60, 40, dtype=torch.bool)
        met[tuple(torch.tensor(plain.pairs).T)] = True
        return (scores[met].mean() - scores[~met].mean()).item()

    before = gap()
    for _ in range(20):
        for _ in plain.steps():
            pass
    assert gap() > before + 0.5


def test_the_slope_is_that_of_the_logarithms() -> None:
    assert bench.slope([1, 2, 4, 8], [3.0, 6.0, 12.0, 24.0]) == pytest.approx(1)
    assert bench.slope([1, 10, 100], [5.0, 5.0, 5.0]) == pytest.approx(0)


def test_the_cost_of_a_step_and_the_peak_of_a_process(monkeypatch: pytest.MonkeyPatch) -> None:
    tiny = made_up(300, 200, 5_000)
    assert step_cost(load_recipe("xsimgcl"), tiny, laps=1, steps=2) > 0
    monkeypatch.setattr(bench, "data", lambda: ("tiny", tiny))
    found = bench.train_and_rank(2)
    assert found["peak_gib"] > 0.05
