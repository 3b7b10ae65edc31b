"""Softmax against drawn negatives, beside a dictionary of math.exp."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys_cl.ops import sampled_softmax as module
from recsys_cl.ops import shared_softmax as shared
from recsys_cl.ops.sampled_softmax import sampled_softmax
from recsys_cl.ops.twice import twice_differentiable
from tests.similarities import similarity_of


def tensors(seed: int, queries: int = 6, candidates: int = 9, dim: int = 3) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    rng = torch.Generator().manual_seed(seed)
    return (
        torch.randn(queries, dim, dtype=torch.float64, generator=rng),
        torch.randn(candidates, dim, dtype=torch.float64, generator=rng),
        torch.randint(candidates, (queries,), generator=rng),
    )


def slow(q, c, positive, negatives, tau, name, log_expected=None):
    """``negatives``: for each query the rows in its denominator beside the positive, with repeats."""
    total = 0.0
    for i, row in enumerate(positive.tolist()):
        score = {j: float(similarity_of(q[i], c[j], name)) / tau for j in range(len(c))}
        rest = [j for j in negatives[i] if j != row]
        shift = log_expected.tolist() if log_expected is not None else [0.0] * len(c)
        total += math.log(math.exp(score[row]) + sum(math.exp(score[j] - shift[j]) for j in rest)) - score[row]
    return total / len(positive)


@pytest.mark.parametrize("dense", [0, 10**6], ids=["gathered", "dense"])
@given(seed=st.integers(0, 10_000), drawn=st.integers(1, 5), corrected=st.booleans())
@settings(max_examples=20, deadline=None)
def test_negatives_of_each_query_equal_a_loop(dense, seed, drawn, corrected):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_DENSE", dense)
        q, c, positive = tensors(seed)
        negative = torch.randint(len(c), (len(q), drawn), generator=torch.Generator().manual_seed(seed))
        log_expected = torch.linspace(-2, 1, len(c), dtype=torch.float64) if corrected else None
        expected = slow(q, c, positive, negative.tolist(), 0.5, "cosine", log_expected)
        how = {"temperature": 0.5, "similarity": "cosine", "log_expected": log_expected}
        assert float(sampled_softmax(q, c, positive, negative, **how)) == pytest.approx(expected, abs=1e-9)
        q.requires_grad_(), c.requires_grad_()
        assert torch.autograd.gradcheck(lambda x, y: sampled_softmax(x, y, positive, negative, **how), (q, c))


@pytest.mark.parametrize("for_all", [True, False])
@pytest.mark.parametrize("in_batch", [0, 4, 9])
def test_shared_and_mixed_negatives_equal_a_loop(for_all, in_batch):
    q, c, positive = tensors(3)
    negative = (
        torch.tensor([8, 2, 8]) if for_all else torch.tensor([[8, 2, 8], [1, 1, 1], [0, 4, 5], [3, 3, 2], [7, 6, 5], [8, 8, 8]])
    )
    each = [negative.tolist()] * len(q) if for_all else negative.tolist()
    log_expected = torch.linspace(-1, 1, len(c), dtype=torch.float64)
    expected = slow(q, c, positive, [[*rows, *range(in_batch)] for rows in each], 0.5, "dot", log_expected)
    how = {"temperature": 0.5, "log_expected": log_expected, "in_batch": in_batch}
    assert float(sampled_softmax(q, c, positive, negative, **how)) == pytest.approx(expected, abs=1e-9)
    q.requires_grad_(), c.requires_grad_()
    assert torch.autograd.gradcheck(lambda x, y: sampled_softmax(x, y, positive, negative, **how), (q, c))


@pytest.mark.parametrize("block", [1, 7, 2**20])
@given(seed=st.integers(0, 10_000), drawn=st.integers(1, 12), corrected=st.booleans(), name=st.sampled_from(["dot", "cosine"]))
@settings(max_examples=15, deadline=None)
def test_negatives_of_all_queries_equal_a_loop_block_by_block(block, seed, drawn, corrected, name):
    """More negatives than items: each is drawn more than once, and every query's own answer is among them."""
    q, c, positive = tensors(seed)
    negative = torch.randint(len(c), (drawn,), generator=torch.Generator().manual_seed(seed))
    log_expected = torch.linspace(-2, 1, len(c), dtype=torch.float64) if corrected else None
    how = {"temperature": 0.5, "similarity": name, "log_expected": log_expected}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shared, "_BLOCK", block)
        expected = slow(q, c, positive, [negative.tolist()] * len(q), 0.5, name, log_expected)
        assert float(sampled_softmax(q, c, positive, negative, **how)) == pytest.approx(expected, abs=1e-9)
        q.requires_grad_(), c.requires_grad_()
        assert torch.autograd.gradcheck(lambda x, y: sampled_softmax(x, y, positive, negative, **how), (q, c))
        with twice_differentiable():
            assert sampled_softmax(q, c, positive, negative, **how).item() == pytest.approx(expected, abs=1e-9)


def test_an_accidental_hit_is_no_negative():
    q, c, positive = tensors(4)
    assert float(sampled_softmax(q, c, positive, positive.unsqueeze(1), temperature=0.5)) == 0
    assert float(sampled_softmax(q[:1], c, positive[:1], positive[:1], temperature=0.5)) == 0


def test_the_corrected_denominator_estimates_the_full_one_without_bias():
    """One negative is drawn; averaged over the draws, each with its probability, the sum of exponentials is the full one."""
    q, c, positive = tensors(5, queries=1)
    q_j = torch.softmax(torch.linspace(0, 2, len(c), dtype=torch.float64), 0)
    score = (q @ c.T)[0]
    partition = 0.0
    for row in range(len(c)):
        loss = sampled_softmax(q, c, positive, torch.tensor([[row]]), temperature=1.0, log_expected=q_j.log())
        partition += float(q_j[row] * (loss + score[positive[0]]).exp())
    assert partition == pytest.approx(float(score.exp().sum()), rel=1e-9)


def test_rows_that_are_never_drawn_do_no_harm():
    q, c, positive = tensors(6)
    log_expected = torch.zeros(len(c), dtype=torch.float64)
    log_expected[5] = -torch.inf
    loss = sampled_softmax(q, c, positive, torch.tensor([0, 1]), temperature=1.0, log_expected=log_expected)
    assert torch.isfinite(loss)


def test_finite_at_extreme_logits():
    q, c, positive = (x.float() if x.is_floating_point() else x for x in tensors(7))
    q = (q * 1e6).requires_grad_()
    for negative in (torch.tensor([0, 1, 2]), torch.zeros(6, 1, dtype=torch.int64)):
        loss = sampled_softmax(q, c, positive, negative, temperature=1.0)
        (gradient,) = torch.autograd.grad(loss, q)
        assert torch.isfinite(loss)
        assert torch.isfinite(gradient).all()


def slow_apart(q, answers, rows, positive, negative, balance):
    """Without the answer in the denominator: the mean over the queries that have negatives left, by math.exp."""
    total = []
    for i, own in enumerate(positive.tolist()):
        others = [math.exp(float(q[i] @ rows[k])) for k, row in enumerate(negative.tolist()) if row != own]
        if others:
            total.append(balance * math.log(sum(others) / len(others)) - float(q[i] @ answers[i]))
    return sum(total) / max(1, len(total))


@pytest.mark.parametrize("block", [1, 7, 2**20])
@given(seed=st.integers(0, 10_000), drawn=st.integers(1, 12), balance=st.sampled_from([0.5, 1.0, 1.12]))
@settings(max_examples=15, deadline=None)
def test_the_answer_may_be_left_out_of_the_denominator(block, seed, drawn, balance):
    """Few negatives of few candidates: some queries have none left."""
    q, c, positive = tensors(seed, candidates=3)
    negative = torch.randint(len(c), (drawn,), generator=torch.Generator().manual_seed(seed))
    answers, rows = c[positive].clone(), c[negative].clone()

    def loss(*vectors: torch.Tensor) -> torch.Tensor:
        return shared.shared_softmax(*vectors, (positive, negative), balance=balance)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shared, "_BLOCK", block)
        expected = slow_apart(q, answers, rows, positive, negative, balance)
        assert float(loss(q, answers, rows)) == pytest.approx(expected, abs=1e-9)
        leaves = [vectors.requires_grad_() for vectors in (q, answers, rows)]
        assert torch.autograd.gradcheck(loss, leaves)


def test_queries_without_a_negative_weigh_nothing():
    q, c, positive = tensors(8)
    c.requires_grad_()
    loss = shared.shared_softmax(q[:1], c[positive[:1]], c[positive[:1]], (positive[:1], positive[:1]), balance=1.0)
    (gradient,) = torch.autograd.grad(loss, c)
    assert loss.item() == 0
    assert not gradient.any()
