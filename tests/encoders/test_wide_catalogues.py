"""Where the catalogue is large users are sparse: the same lists and values, in the memory of the weights alone."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import torch

from recsys_cl.core.build import build
from recsys_cl.core.settings import Component
from recsys_cl.core.values import Encoding, Interactions, Shape
from recsys_cl.encoders import _item_to_item, item_knn
from recsys_cl.encoders._history import met
from recsys_cl.evaluation.held_out import hold_out
from recsys_cl.evaluation.measure import measure
from recsys_cl.evaluation.settings import Evaluation, build_metrics
from recsys_cl.ops.csr import is_sparse, take
from recsys_cl.structures.plain import Plain

SHAPE = Shape(60, 40)
KINDS = [("item_knn", {"neighbours": 5}), ("ease", {"l2": 20.0, "precision": "fp32"}), ("markov", {})]


def log(seed: int, count: int) -> Interactions:
    """Random meetings, some of them twice; the last user meets nothing."""
    rng = torch.Generator().manual_seed(seed)
    users, items = (torch.randint(size, (count,), generator=rng) for size in (SHAPE.users - 1, SHAPE.items))
    return Interactions(SHAPE, users, items, torch.arange(count))


def encoded(use: str, arguments: dict[str, object]) -> Encoding:
    rng = torch.Generator().manual_seed(0)
    encoder = build("encoders", Component(use=use, **arguments), "encoder", interactions=log(0, 500), rng=rng)
    found: Encoding = encoder([Plain()], torch.arange(SHAPE.users))[0]
    return found


@pytest.mark.parametrize(("use", "arguments"), KINDS)
def test_lists_and_all_metrics_are_those_of_dense_vectors(use, arguments, monkeypatch):
    dense = encoded(use, arguments)
    monkeypatch.setattr(_item_to_item, "DENSE_MIB", 0)
    sparse = encoded(use, arguments)
    assert is_sparse(sparse.users)
    assert not is_sparse(dense.users)
    assert torch.equal(sparse.users.to_dense(), dense.users)
    assert torch.equal(sparse.items.to_dense(), dense.items)
    known = log(0, 500)
    held_out = hold_out(log(1, 200), known, exclude_seen=True)
    rows, metrics = (
        held_out.users,
        build_metrics(Evaluation(ks=(1, 5), metrics=("recall", "ndcg", "map", "mrr", "auc", "gini"))),
    )
    by_dense = measure(Encoding(dense.users[rows], dense.items), held_out, metrics, 2**30, use)
    monkeypatch.undo()
    by_sparse = measure(Encoding(take(sparse.users, rows), sparse.items), held_out, metrics, 2**30, use)
    assert torch.equal(by_sparse.ranking.items, by_dense.ranking.items)
    assert by_sparse.scores == pytest.approx(by_dense.scores, abs=1e-6)
    for name, values in by_dense.values.items():
        assert torch.equal(by_sparse.values[name], values), name


@pytest.mark.parametrize("block", [1, 7, 512])
@pytest.mark.parametrize(("neighbours", "shrink"), [(1, 0.0), (4, 10.0), (100, 0.5)])
def test_neighbours_by_blocks_are_those_of_sorting_all_pairs(block, neighbours, shrink, monkeypatch):
    monkeypatch.setattr(item_knn, "_BLOCK", block)
    matrix = met(log(3, 300))
    found = item_knn.listeners(matrix, neighbours, shrink).to_dense().T.numpy()
    together = matrix.toarray().T @ matrix.toarray()
    expected = np.zeros_like(together)
    for j in range(len(together)):
        length = np.sqrt(together[j, j]) * np.sqrt(together.diagonal())
        cosine = np.where(np.arange(len(together)) == j, 0, together[j] / np.maximum(length + shrink, 1e-300))
        nearest = sorted(range(len(cosine)), key=lambda i: (-cosine[i], i))[:neighbours]
        expected[j, nearest] = cosine[nearest]
    assert found == pytest.approx(expected, abs=1e-7)
    assert ((found > 0) == (expected > 0)).all()


PROGRAM = """
import sys, torch
from benchmarks.measure import peak_mib
from recsys_cl.config import load_recipe
from recsys_cl.core.values import Interactions, Shape
from recsys_cl.evaluation.settings import Evaluation
from recsys_cl.stages.assemble import assemble
from recsys_cl.stages.verdict import judge_test
def judged(shape, name):
    rng = torch.Generator().manual_seed(0)
    users, items = (torch.randint(size, (100_000,), generator=rng) for size in (shape.users, shape.items))
    known = Interactions(shape, users, items, torch.arange(100_000))
    test = Interactions(shape, users[:3000], (items[:3000] + 1) % shape.items, torch.arange(3000))
    made = assemble(load_recipe(name), known, 0, torch.device("cpu"))
    return judge_test(made.method, made.feed, test, known, Evaluation(ks=(20,), memory_mib=64), name)
judged(Shape(300, 200), sys.argv[1])  # loads what the libraries load on first use
before = peak_mib()
judged(Shape(60_000, 9_000), sys.argv[1])
print(peak_mib() - before)
"""


@pytest.mark.slow
@pytest.mark.parametrize(("name", "weights"), [("item-knn", 80 * 100 * 9000), ("markov", 4 * 9000**2)])
def test_memory_is_that_of_the_weights(name, weights):
    """Dense, the users' vectors would take 2060 MiB, and cosines in fp64 618 MiB."""
    done = subprocess.run([sys.executable, "-c", PROGRAM, name], capture_output=True, text=True, check=True)
    assert float(done.stdout) <= weights / 2**20 + 64 + 100  # and the log with what is sorted of it
