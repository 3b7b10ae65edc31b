"""Scores of sparse vectors are those of the same vectors stored in full, and nobody's depend on the others."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from recsys_cl.core.errors import Refused
from recsys_cl.core.values import Ragged
from recsys_cl.ops import score as module
from recsys_cl.ops.csr import csr, stored
from recsys_cl.ops.ragged import offsets_of
from recsys_cl.ops.score import score
from recsys_cl.ops.standing import standing
from recsys_cl.ops.topk import top_k


def sparsely(matrix: Tensor) -> Tensor:
    """The same numbers as CSR."""
    where = matrix.nonzero()
    return csr(offsets_of((matrix != 0).sum(1)), where[:, 1], matrix[matrix != 0], matrix.shape[1])


def by_columns(items: Tensor) -> Tensor:
    """The same numbers as CSC."""
    return sparsely(items.T.contiguous()).transpose(0, 1)


def whole_numbers(rng: torch.Generator, *size: int) -> Tensor:
    """Small integers, half of them 0: exact in fp32 whatever the order of summation."""
    return (torch.randint(-2, 3, size, generator=rng) * torch.randint(0, 2, size, generator=rng)).float()


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10_000), users=st.integers(1, 40), items=st.integers(1, 90), dim=st.integers(1, 20))
def test_lists_and_standings_are_those_of_dense_vectors(seed: int, users: int, items: int, dim: int) -> None:
    rng = torch.Generator().manual_seed(seed)
    asking, offered = whole_numbers(rng, users, dim), whole_numbers(rng, items, dim)
    some = torch.randint(0, items, (2, users), generator=rng)
    truth, seen = (Ragged(values, torch.arange(users + 1)) for values in some)
    expected, stands = top_k(asking, offered, 7, seen), standing(asking, offered, truth, seen)
    for layout in (offered, offered.T.contiguous().T, by_columns(offered)):
        found = top_k(sparsely(asking), layout, 7, seen)
        assert torch.equal(found.items, expected.items)
        assert torch.equal(found.scores, expected.scores)
        counted = standing(sparsely(asking), layout, truth, seen)
        assert torch.equal(counted.above, stands.above)
        assert torch.equal(counted.tied, stands.tied)


@pytest.mark.parametrize("terms", [1, 7, 2**20])
@pytest.mark.parametrize("layout", [Tensor.contiguous, by_columns])
def test_scores_do_not_depend_on_who_else_is_asked_for(layout, terms, monkeypatch):
    monkeypatch.setattr(module, "_TERMS", terms)
    rng = torch.Generator().manual_seed(1)
    asking = sparsely(torch.rand(40, 30, generator=rng) * (torch.rand(40, 30, generator=rng) < 0.4))
    offered = layout(torch.rand(50, 30, generator=rng) * (torch.rand(50, 30, generator=rng) < 0.4))
    together, alone, reference = (torch.empty(40, 50) for _ in range(3))
    score(asking, offered, slice(0, 40), together)
    for user in range(40):
        score(asking, offered, slice(user, user + 1), alone[user : user + 1])
    monkeypatch.setattr(module, "_TERMS", 2**20)
    score(asking, offered, slice(0, 40), reference)
    assert torch.equal(alone, together)
    assert torch.equal(together, reference)
    assert together == pytest.approx(asking.to_dense() @ offered.to_dense().T, abs=1e-5)


def test_sparse_vectors_that_are_not_finite_are_counted():
    asking, offered = sparsely(torch.eye(3)), by_columns(torch.eye(3))
    stored(offered)[1] = torch.nan
    with pytest.raises(Refused, match="1 of 3 item vectors are not finite"):
        top_k(asking, offered, 1)
