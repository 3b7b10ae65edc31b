"""Batched ridge regressions equal one dense solution after another, in any blocks."""

from __future__ import annotations

import pytest
import torch

from recsys_cl.core.errors import Refused
from recsys_cl.core.values import Ragged
from recsys_cl.ops import ridge as module
from recsys_cl.ops.ridge import ridge


def problem(seed=0, rows=23, items=17, dim=5):
    rng = torch.Generator().manual_seed(seed)
    met = torch.rand(rows, items, generator=rng) < torch.rand(rows, 1, generator=rng)
    met[3] = False
    where, what = met.nonzero(as_tuple=True)
    vectors = torch.randn(items, dim, generator=rng, dtype=torch.float64)
    return met, Ragged.group(where, what, rows), vectors, 0.1 + torch.rand(rows, generator=rng, dtype=torch.float64)


def one_by_one(met, vectors, unobserved, penalties):
    found = []
    for row, penalty in zip(met, penalties, strict=True):
        mine = vectors[row]
        normal = unobserved * vectors.T @ vectors + mine.T @ mine + penalty * torch.eye(vectors.shape[1], dtype=torch.float64)
        found.append(torch.linalg.solve(normal, mine.sum(0)))
    return torch.stack(found)


@pytest.mark.parametrize("unobserved", [0.0, 0.3])
@pytest.mark.parametrize("cells", [1, 200, 2**24])
def test_equals_a_dense_solution_row_by_row(unobserved, cells, monkeypatch):
    monkeypatch.setattr(module, "_CELLS", cells)
    met, histories, vectors, penalties = problem()
    found = ridge(histories, vectors, unobserved, penalties)
    assert torch.allclose(found, one_by_one(met, vectors, unobserved, penalties), atol=1e-9, rtol=0)
    assert not found[3].any()


def test_nobody_met_anything():
    empty = torch.zeros(0, dtype=torch.int64)
    assert ridge(Ragged.group(empty, empty, 4), torch.ones(3, 2), 0.1, torch.ones(4)).tolist() == [[0, 0]] * 4


def test_a_penalty_too_small_to_be_seen_is_refused() -> None:
    one = Ragged(torch.tensor([0]), torch.tensor([0, 1]))
    alike = torch.full((1, 2), 2.0)
    assert ridge(one, alike, 0.0, torch.tensor([1e-3])).isfinite().all()
    with pytest.raises(Refused, match="l2: too small for the vectors it holds back"):
        ridge(one, alike, 0.0, torch.tensor([1e-30]))
