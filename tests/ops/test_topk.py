"""Exact top-k: against sorting everything, with ties everywhere, at every block size."""

from __future__ import annotations

import subprocess
import sys
from unittest.mock import patch

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys_cl.core.errors import Refused
from recsys_cl.core.values import Ragged
from recsys_cl.ops import topk
from recsys_cl.ops.approximate import Halves, Plain
from recsys_cl.ops.shortlist import Plan, alone, shortlist
from recsys_cl.ops.topk import least_budget, top_k


def by_sorting(users, items, k, exclude=None):
    """Sort every user's whole ranking by (score, falling; item, rising) in Python."""
    found = torch.full((len(users), k), -1)
    values = torch.full((len(users), k), -torch.inf)
    for user, scores in enumerate((users @ items.T).tolist()):
        out = set(exclude.row(user).tolist()) if exclude is not None else set()
        order = sorted((item for item in range(len(items)) if item not in out), key=lambda item: (-scores[item], item))[:k]
        found[user, : len(order)] = torch.tensor(order, dtype=torch.int64)
        values[user, : len(order)] = torch.tensor([scores[item] for item in order])
    return found, values


def whole_numbers(rng, *size):
    """Small integers: exact in fp32 whatever the order of summation, and full of ties."""
    return torch.randint(-2, 3, size, generator=rng).float()


def some_seen(rng, users, items, count):
    return Ragged.group(
        torch.randint(0, users, (count,), generator=rng), torch.randint(0, items, (count,), generator=rng), users
    )


@settings(max_examples=160, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    users=st.integers(1, 9),
    items=st.integers(1, 400),
    k=st.integers(1, 90),
    seen=st.integers(0, 600),
    dim=st.integers(1, 3),
    pays=st.booleans(),
)
def test_equals_a_full_sort_however_many_scores_tie(seed, users, items, k, seen, dim, pays):
    rng = torch.Generator().manual_seed(seed)
    asking, offered = whole_numbers(rng, users, dim), whole_numbers(rng, items, dim)
    exclude = some_seen(rng, users, items, seen)

    with patch.object(topk, "half_precision_pays", lambda *_: pays):
        top = top_k(asking, offered, k, exclude)

    found, values = by_sorting(asking, offered, k, exclude)
    assert torch.equal(top.items, found)
    assert torch.equal(top.scores, values)


@pytest.mark.parametrize("pays", [True, False], ids=["half", "full"])
@pytest.mark.parametrize(("k", "dim", "scale"), [(1, 3, 1.0), (20, 24, 1.0), (20, 200, 1e-3), (50, 64, 1e8), (300, 5, 1.0)])
def test_scores_are_dot_products_in_fp64_rounded_once(k, dim, scale, pays, monkeypatch):
    monkeypatch.setattr(topk, "half_precision_pays", lambda *_: pays)
    rng = torch.Generator().manual_seed(3)
    asking, offered = torch.randn(300, dim, generator=rng), scale * torch.randn(5000, dim, generator=rng)
    exclude = some_seen(rng, 300, 5000, 90_000)
    scores = (asking.double() @ offered.double().T).float()
    scores[torch.arange(300).repeat_interleave(exclude.lengths), exclude.values] = -torch.inf
    values, found = scores.sort(dim=1, descending=True, stable=True)
    top = top_k(asking, offered, k, exclude)
    assert torch.equal(top.scores, values[:, :k])
    assert torch.equal(top.items, found[:, :k])


@pytest.mark.parametrize("precision", ["highest", "high", "medium"])
def test_the_precision_of_matrix_products_changes_no_list(precision):
    rng = torch.Generator().manual_seed(4)
    asking, offered = torch.randn(40, 64, generator=rng), torch.randn(3000, 64, generator=rng)
    expected = top_k(asking, offered, 20)
    before = torch.get_float32_matmul_precision()
    try:
        torch.set_float32_matmul_precision(precision)
        found = top_k(asking, offered, 20)
    finally:
        torch.set_float32_matmul_precision(before)
    assert torch.equal(found.items, expected.items)
    assert torch.equal(found.scores, expected.scores)


@pytest.mark.parametrize("pays", [True, False], ids=["half", "full"])
@pytest.mark.parametrize("kind", ["alike", "negative", "nothing", "one direction", "tiny", "huge"])
def test_vectors_that_half_precision_cannot_tell_apart(kind, pays, monkeypatch):
    monkeypatch.setattr(topk, "half_precision_pays", lambda *_: pays)
    rng = torch.Generator().manual_seed(5)
    asking, offered = torch.rand(70, 8, generator=rng) + 0.1, torch.rand(2100, 8, generator=rng) + 0.1
    if kind == "alike":
        offered = 1 + 1e-6 * offered
    elif kind == "negative":
        offered = -offered
    elif kind == "nothing":
        asking = 0 * asking
    elif kind == "one direction":
        offered = (1 + torch.arange(2100) // 700)[:, None] * torch.ones(1, 8)
    else:
        asking = asking * {"tiny": 1e-30, "huge": 1e30}[kind]
        offered = offered * {"tiny": 1e-9, "huge": 1e7}[kind]
    exclude = some_seen(rng, 70, 2100, 9000)
    scores = (asking.double() @ offered.double().T).float()
    scores[torch.arange(70).repeat_interleave(exclude.lengths), exclude.values] = -torch.inf
    values, found = scores.sort(dim=1, descending=True, stable=True)
    top = top_k(asking, offered, 20, exclude)
    assert torch.equal(top.scores, values[:, :20])
    assert torch.equal(top.items, found[:, :20])


def test_an_item_that_half_precision_puts_last_comes_first_where_it_belongs(monkeypatch):
    """Components just below and just above the middle of two bfloat16 numbers are rounded apart by a whole step."""
    monkeypatch.setattr(topk, "half_precision_pays", lambda *_: True)
    below, above = 1 + 0.98 * 2**-8, 1 + 1.02 * 2**-8  # rounded to 1 and to 1 + 2**-7
    signs = torch.tensor([1.0] * 32 + [-1.0] * 32)
    best = torch.cat((torch.tensor([1.0]), torch.where(signs > 0, below, above)))
    good = torch.cat((torch.tensor([0.9]), torch.where(signs > 0, above, below)))
    offered = torch.zeros(2000, 65)
    offered[5:1500:50], offered[777] = good, best
    asking = torch.cat((torch.tensor([1.0]), signs)).expand(70, -1)
    assert (asking[0] @ best.bfloat16().float()) < (asking[0] @ good.bfloat16().float())
    assert top_k(asking, offered, 2).items.tolist() == [[777, 5]] * 70


@pytest.mark.parametrize("spans", [73, 40], ids=["in many spans", "in few"])
def test_who_has_too_many_candidates_is_looked_after_alone(spans):
    plan = Plan(5000, 20)
    tied = (torch.arange(5000) % plan.spans < spans).float()
    asking, offered = torch.tensor([[0.0, 1.0], [1.0, 0.0]]), torch.stack((tied, torch.arange(5000) / 5e3), 1)
    plain, scores = Plain.of(asking, offered), torch.full((2, plan.columns), -torch.inf)
    plain.fill(slice(0, 2), scores)
    items, values, crowded = shortlist(plain, slice(0, 2), scores, plan)
    assert tied.sum() > plan.most
    assert crowded.tolist() == [1]
    assert values[1].eq(-torch.inf).all()
    assert items[0].tolist() == list(range(4999, 4979, -1))
    assert torch.equal(alone(plain, slice(0, 2), 1, scores, plan)[0], tied.nonzero().flatten()[:20])


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    users=st.integers(1, 40),
    items=st.integers(1, 300),
    dim=st.integers(1, 90),
    k=st.integers(1, 9),
)
def test_the_best_k_reach_what_half_precision_asks_of_them(seed, users, items, dim, k):
    rng = torch.Generator().manual_seed(seed)
    asking, offered = torch.randn(users, dim, generator=rng), torch.randn(items, dim, generator=rng).exp()
    halves = Halves.of(asking, offered, items)
    block, out = slice(0, users), torch.empty(users, items, dtype=torch.bfloat16)
    halves.fill(block, out)
    keys = halves.order(out)
    k = min(k, items)
    least = halves.least(block, keys.topk(k).values[:, -1])
    exact = asking.double() @ offered.double().T
    theirs = keys.gather(1, exact.topk(k).indices)
    assert ((theirs >= least[:, None]) | (least == torch.iinfo(torch.int16).max)[:, None]).all()


def test_rounded_items_count_in_the_budget(monkeypatch):
    rng, rows = torch.Generator().manual_seed(9), []
    asking, offered = torch.randn(70, 512, generator=rng), torch.randn(3000, 512, generator=rng)
    monkeypatch.setattr(topk, "half_precision_pays", lambda *_: True)
    monkeypatch.setattr(topk, "shortlist", lambda *given: rows.append(given[1].stop - given[1].start) or shortlist(*given))
    rounded = 2 * Plan(3000, 5).columns * 512
    top_k(asking, offered, 5, budget=rounded + least_budget(3000, 5, rows=7, size=2))
    assert rows == [7] * 10


def test_half_precision_decides_ordinary_vectors_with_few_candidates():
    rng = torch.Generator().manual_seed(8)
    asking, offered = torch.randn(100, 64, generator=rng), torch.randn(10_240, 64, generator=rng)
    halves, plan, block = Halves.of(asking, offered, 10_240), Plan(10_240, 20), slice(0, 100)
    scores = torch.empty(100, plan.columns, dtype=torch.bfloat16)
    halves.fill(block, scores)
    reached = halves.order(scores).topk(20).values[:, -1]
    assert not shortlist(halves, block, scores, plan)[2].numel()
    assert (halves.order(scores) >= halves.least(block, reached)[:, None]).sum(1).max() <= 40


def test_all_scores_equal_gives_the_smallest_ids():
    top = top_k(torch.ones(3, 1), torch.ones(1000, 1), 70)
    assert torch.equal(top.items, torch.arange(70).expand(3, -1))


def test_negative_zero_ties_with_zero():
    top = top_k(torch.ones(1, 1), torch.tensor([[-1.0], [-0.0], [0.0], [-0.0]]), 4)
    assert top.items.tolist() == [[1, 2, 3, 0]]


@pytest.mark.parametrize("rows", [1, 16, 17, 31, 128])
def test_block_size_does_not_change_the_answer(rows):
    rng = torch.Generator().manual_seed(5)
    asking, offered = torch.randn(300, 24, generator=rng), torch.randn(777, 24, generator=rng)
    exclude = some_seen(rng, 300, 777, 9000)
    least = least_budget(777, 20, int(exclude.lengths.max()), rows)
    small, large = (top_k(asking, offered, 20, exclude, budget) for budget in (least, 2**30))
    assert torch.equal(small.items, large.items)
    assert torch.equal(small.scores, large.scores)


def test_one_user_alone_gets_what_they_get_among_many():
    rng = torch.Generator().manual_seed(6)
    asking, offered = torch.randn(40, 64, generator=rng), torch.randn(777, 64, generator=rng)
    together = top_k(asking, offered, 20)
    alone = [top_k(asking[user : user + 1], offered, 20) for user in range(40)]
    assert torch.equal(torch.cat([top.items for top in alone]), together.items)
    assert torch.equal(torch.cat([top.scores for top in alone]), together.scores)


def test_lists_end_with_minus_one():
    everything = Ragged(torch.arange(5), torch.tensor([0, 5, 5]))
    top = top_k(torch.ones(2, 1), torch.arange(5.0)[:, None], 7, everything)
    assert top.items.tolist() == [[-1] * 7, [4, 3, 2, 1, 0, -1, -1]]
    assert top.scores[0].eq(-torch.inf).all()


@pytest.mark.parametrize(("users", "items"), [(0, 4), (3, 0)])
def test_nobody_asks_or_nothing_is_offered(users, items):
    top = top_k(torch.ones(users, 2), torch.ones(items, 2), 3)
    assert top.items.shape == (users, 3)
    assert top.items.eq(-1).all()


@pytest.mark.parametrize("bad", [torch.nan, torch.inf, -torch.inf])
def test_scores_that_are_not_finite_are_refused_by_name(bad):
    spoilt = torch.ones(4, 2)
    spoilt[2, 1] = bad
    with pytest.raises(Refused, match="xsimgcl: 1 of 4 user vectors"):
        top_k(spoilt, torch.ones(3, 2), 1, model="xsimgcl")
    with pytest.raises(Refused, match="xsimgcl: 1 of 4 item vectors"):
        top_k(torch.ones(3, 2), spoilt, 1, model="xsimgcl")


def test_overflow_is_refused():
    with pytest.raises(Refused, match="overflow"):
        top_k(torch.full((1, 2), 1e30), torch.full((1, 2), 1e30), 1)


def test_a_budget_too_small_names_one_that_works():
    asking, offered = torch.ones(2, 1), torch.ones(2**20, 1)
    with pytest.raises(Refused, match=r"1048576 items .* at least 7 MiB.* budget is 1 MiB"):
        top_k(asking, offered, 3, budget=2**20)
    assert top_k(asking, offered, 3, budget=7 * 2**20).items.tolist() == [[0, 1, 2]] * 2


def test_gradients_do_not_get_in_the_way():
    assert top_k(torch.ones(2, 1, requires_grad=True), torch.ones(3, 1), 1).items.tolist() == [[0], [0]]


@pytest.mark.slow
def test_memory_stays_inside_the_budget():
    program = """
import torch
from benchmarks.measure import peak_mib
from recsys_cl.ops.topk import top_k
users, items = torch.randn(60_000, 4), torch.randn(40_000, 4)
top_k(users[:2], items, 20)  # loads what the library loads on first use
before = peak_mib()
top_k(users, items, 20, budget=2**27)
print(peak_mib() - before)
"""
    grown = 2**20 * float(subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout)
    answer = 60_000 * 20 * (8 + 4)
    assert grown <= 1.25 * 2**27 + answer
