"""Metrics against numbers worked out by hand, a slow twin with sets, and two independent libraries."""

from __future__ import annotations

import math
from dataclasses import fields, replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys_cl.core.build import build, names
from recsys_cl.core.settings import Component
from recsys_cl.core.values import Encoding, Interactions, Ragged, Ranking, Shape, Standing
from recsys_cl.evaluation.choosing import larger_is_better
from recsys_cl.evaluation.held_out import hold_out
from recsys_cl.evaluation.rank import rank

ACCURACY = ("recall", "ndcg", "precision", "hit_rate", "mrr", "map", "capped_recall", "r_precision", "uncapped_map")
NAMES = (
    "cold",
    *(*ACCURACY, "coverage", "gini", "novelty", "auc", "sampled", "popularity_lift", "serendipity"),
    *("calibration", "intra_list_diversity", "vector_diversity"),
)


def metric(name, k):
    return build("evaluation.metrics", Component(use=name, k=k), name)


def listed(lists, truths, items=100, popularity=None):
    """A ranking from plain lists, -1 where a list is shorter than the longest."""
    width = max(map(len, lists))
    padded = [row + [-1] * (width - len(row)) for row in lists]
    hits = [[item in truth for item in row] for row, truth in zip(padded, truths, strict=True)]
    held_out = torch.tensor([len(truth) for truth in truths])
    popularity = torch.arange(items) if popularity is None else torch.tensor(popularity)
    return Ranking(torch.tensor(padded), torch.tensor(hits), held_out, Shape(len(lists), items), popularity)


def test_the_slot_is_complete():
    assert names("evaluation.metrics") == tuple(sorted(NAMES))


def completed(ranking):
    """The same with every optional field."""
    users, items = ranking.shape.users, ranking.shape.items
    standing = Standing(
        torch.arange(users), *[torch.ones(users, dtype=torch.int64)] * 2, torch.ones(users) > 0, torch.full((users,), 500)
    )
    return replace(
        ranking,
        history=ragged([[0]] * users),
        categories=ragged([[item % 3] for item in range(items)]),
        vectors=torch.ones(items, 2),
        standing=standing,
        cold=ranking,
    )


@pytest.mark.parametrize("name", NAMES)
def test_contract(name):
    computed = metric(name, 2)
    values = computed(completed(listed([[1, 2, 3], [4], [7, 8]], [{1}, {5}, {8, 9, 10}])))
    assert computed.name == {"auc": "auc", "sampled": "recall_s100@2", "cold": "recall_cold@2"}.get(name, f"{name}@2")
    assert computed.k == (0 if "standing" in computed.reads else 2)
    assert (values.dtype, values.shape) == (torch.float64, (3,))
    assert computed.convention
    assert values.isfinite().all()
    assert set(computed.reads) <= {field.name for field in fields(Ranking)}


@pytest.mark.parametrize("name", NAMES)
def test_the_name_alone_says_which_way_is_better(name):
    computed = metric(name, 2)
    assert larger_is_better(computed.name) is computed.larger_is_better
    undecided = {"intra_list_diversity", "novelty", "popularity_lift", "vector_diversity"}
    assert computed.larger_is_better is (None if name in undecided else name not in {"calibration", "gini"})


def test_of_a_metric_from_elsewhere_nobody_knows_which_way_is_better():
    assert [larger_is_better(name) for name in ("mine@20", "", "ndcg@x", "ndcg_cold@20", "mrr_s9@3")] == [None] * 3 + [True] * 2


@pytest.mark.parametrize("name", NAMES)
def test_a_list_may_be_asked_deeper_than_the_catalogue_is_and_may_be_empty(name):
    deep = completed(listed([[1, 0, 2], [-1, -1, -1]], [{1}, {5}], items=3))
    values = metric(name, 90)(deep)
    assert values.shape == (2,)
    assert values.isfinite().all()


B = listed([[1, 50, 2]], [set(range(1, 9))])  # 8 held out, hits at ranks 1 and 3
C = listed([[50, 1, -1, -1, -1]], [{1, 2, 3}])  # a list of 2, 3 held out, hit at rank 2
D = listed([[0, 1]], [{3}])  # all scores equal, so the smallest ids lead; the one held out would be last of 4


@pytest.mark.parametrize(
    ("ranking", "name", "k", "expected"),
    [
        (B, "recall", 3, 2 / 8),
        (B, "precision", 3, 2 / 3),
        (B, "hit_rate", 3, 1),
        (B, "mrr", 3, 1),
        (B, "map", 3, (1 + 2 / 3) / 3),
        (B, "ndcg", 3, (1 + 1 / 2) / (1 + 1 / math.log2(3) + 1 / 2)),
        (B, "recall", 2, 1 / 8),
        (C, "recall", 5, 1 / 3),
        (C, "precision", 5, 1 / 5),
        (C, "hit_rate", 1, 0),
        (C, "mrr", 5, 1 / 2),
        (C, "map", 5, 1 / 2 / 3),
        (C, "ndcg", 5, (1 / math.log2(3)) / (1 + 1 / math.log2(3) + 1 / 2)),
        (D, "ndcg", 2, 0),
        (D, "mrr", 2, 0),
        (B, "capped_recall", 3, 2 / 3),
        (B, "capped_recall", 2, 1 / 2),
        (C, "capped_recall", 5, 1 / 3),
        (B, "r_precision", 3, 2 / 3),
        (B, "r_precision", 2, 1 / 2),
        (C, "r_precision", 5, 1 / 3),
        (listed([[9, 9, 1, 2]], [{1, 2}]), "r_precision", 4, 0),  # both right, both too late
        (B, "uncapped_map", 3, (1 + 2 / 3) / 8),
        (C, "uncapped_map", 5, 1 / 2 / 3),
        (D, "uncapped_map", 2, 0),
        (listed([[0, 2]], [{5}], items=4, popularity=[1, 5, 2, 0]), "novelty", 2, 2.5),  # log2(8 / 1) and log2(8 / 2)
        (listed([[0, 2]], [{5}], items=4, popularity=[1, 5, 2, 0]), "novelty", 1, 3),
        (listed([[3, -1]], [{5}], items=4, popularity=[1, 5, 2, 0]), "novelty", 2, 3),  # never met counts as once
        (listed([[0]], [{5}], items=4), "gini", 1, 0.75),  # one of four items gets it all: 1 - 1/4
        (listed([[0, 1], [2, 3]], [{5}] * 2, items=4), "coverage", 2, [1, 1]),
        (listed([[0, 1], [2, 3]], [{5}] * 2, items=4), "gini", 2, [0, 0]),
    ],
)
def test_by_hand(ranking, name, k, expected):
    expected = expected if isinstance(expected, list) else [expected]
    assert metric(name, k)(ranking).tolist() == pytest.approx(expected, abs=1e-12)


def test_coverage_shares_an_item_among_those_who_got_it():
    # Item 1 goes to two users, 2 and 3 to one each; 4 comes too late: 3 of 10 items.
    values = metric("coverage", 2)(listed([[1, 2, 4], [1, 3, 4], [-1, -1, -1]], [{1}] * 3, items=10))
    assert values.tolist() == pytest.approx([3 / 10 * (1 / 2 + 1), 3 / 10 * (1 / 2 + 1), 0])
    assert values.mean().item() == pytest.approx(3 / 10)


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10_000), users=st.integers(1, 9), items=st.integers(1, 12), k=st.integers(1, 6))
def test_gini_averages_to_the_mean_difference_of_all_pairs(seed, users, items, k):
    rng = torch.Generator().manual_seed(seed)
    got = torch.rand(users, items, generator=rng).argsort(1)[:, : min(k, items)]
    got = torch.where(torch.rand(got.shape, generator=rng) < 0.8, got, -1)
    counts = torch.bincount(got[got >= 0], minlength=items).double()
    ranking = Ranking(got, got == 0, torch.ones(users, dtype=torch.int64), Shape(users, items))
    between = (counts[:, None] - counts).abs().sum().item()
    expected = between / (2 * items * counts.sum().item()) if counts.any() else 0.0
    assert metric("gini", k)(ranking).mean().item() == pytest.approx(expected, abs=1e-12)


def test_popularity_reaches_the_metrics_from_the_history():
    known = Interactions(Shape(3, 4), torch.tensor([0, 0, 1, 2]), torch.tensor([1, 1, 1, 3]), torch.arange(4))
    truth = Interactions(Shape(3, 4), torch.tensor([1, 1]), torch.tensor([0, 4]), torch.arange(2))
    held_out = hold_out(truth, known, exclude_seen=True)
    assert held_out.popularity.tolist() == [0, 3, 0, 1]
    one = Encoding(torch.ones(1, 1), torch.tensor([[0.0], [9.0], [1.0], [2.0]]))  # for user 1, item 1 is masked: item 3 leads
    ranking, _ = rank(one, held_out.truth, held_out.seen, 1, popularity=held_out.popularity)
    assert metric("novelty", 1)(ranking).tolist() == [2]


def slow(name, k, items, truth):
    """One user's value from sets and loops."""
    gains = [1.0 if item in truth else 0.0 for item in items[:k]]
    best = min(k, len(truth))
    precisions = sum(gain * sum(gains[:rank]) / rank for rank, gain in enumerate(gains, 1))
    discounts = [1 / math.log2(rank + 1) for rank in range(1, k + 1)]
    return {
        "recall": sum(gains) / len(truth),
        "capped_recall": sum(gains) / best,
        "precision": sum(gains) / k,
        "r_precision": len(truth & set(items[:best])) / best,
        "hit_rate": max(gains, default=0.0),
        "mrr": max((gain / rank for rank, gain in enumerate(gains, 1)), default=0.0),
        "map": precisions / best,
        "uncapped_map": precisions / len(truth),
        "ndcg": sum(g * d for g, d in zip(gains, discounts, strict=False)) / sum(discounts[:best]),
    }[name]


def planted(seed, users, items, dim=2):
    """Whole-number vectors (ties everywhere), disjoint seen and held-out items, everyone with something held out."""
    rng = torch.Generator().manual_seed(seed)
    vectors = Encoding(
        torch.randint(-2, 3, (users, dim), generator=rng).float(), torch.randint(-2, 3, (items, dim), generator=rng).float()
    )
    truths, seens = [], []
    for _ in range(users):
        order = torch.randperm(items + 1, generator=rng).tolist()  # `items` stands for an item outside the vocabulary
        held = 1 + int(torch.randint(0, items // 2, (), generator=rng))
        truths.append(order[:held])
        seens.append([item for item in order[held : held + items // 4] if item < items])
    return vectors, truths, seens


def ragged(rows):
    return Ragged(
        torch.tensor([value for row in rows for value in row], dtype=torch.int64),
        torch.tensor([0, *(len(row) for row in rows)]).cumsum(0),
    )


def lists_by_sorting(vectors, seens, k):
    scores = (vectors.users @ vectors.items.T).tolist()
    return [
        sorted((item for item in range(len(row)) if item not in seen), key=lambda item, row=row: (-row[item], item))[:k]
        for row, seen in zip(scores, map(set, seens), strict=True)
    ]


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000), users=st.integers(1, 8), items=st.integers(2, 70), k=st.integers(1, 80))
def test_the_whole_path_equals_sets_and_sorts(seed, users, items, k):
    vectors, truths, seens = planted(seed, users, items)
    ranking, scores = rank(vectors, ragged(truths), ragged(seens), k)
    lists = lists_by_sorting(vectors, seens, k)

    assert [[item for item in row if item >= 0] for row in ranking.items.tolist()] == lists
    assert torch.equal(ranking.items == -1, scores == -torch.inf)
    for name in ACCURACY:
        expected = [slow(name, k, row, set(truth)) for row, truth in zip(lists, truths, strict=True)]
        assert metric(name, k)(ranking).tolist() == pytest.approx(expected, abs=1e-12), name
    distinct = {item for row in lists for item in row}
    assert metric("coverage", k)(ranking).mean().item() == pytest.approx(len(distinct) / items, abs=1e-12)


@pytest.fixture(scope="module")
def many():
    """300 users with ties, and their lists."""
    vectors, truths, seens = planted(11, 300, 60, dim=3)
    ranking, _ = rank(vectors, ragged(truths), ragged(seens), 10)
    return ranking, truths


@pytest.mark.parametrize("k", [1, 5, 10])
def test_equals_ir_measures(many, k):
    # Not compared: map and capped_recall (trec_eval divides by all held-out items; checked by hand above).
    ir_measures = pytest.importorskip("ir_measures")
    ranking, truths = many
    run = [
        ir_measures.ScoredDoc(str(user), str(item), float(-place))
        for user, row in enumerate(ranking.items.tolist())
        for place, item in enumerate(row)
        if item >= 0
    ]
    right = [ir_measures.Qrel(str(user), str(item), 1) for user, truth in enumerate(truths) for item in truth]
    theirs = {
        "recall": ir_measures.R @ k,
        "precision": ir_measures.P @ k,
        "ndcg": ir_measures.nDCG @ k,
        "mrr": ir_measures.RR @ k,
        "hit_rate": ir_measures.Success @ k,
        "uncapped_map": ir_measures.AP @ k,
    }
    measured = {(str(m.measure), m.query_id): m.value for m in ir_measures.iter_calc(list(theirs.values()), right, run)}
    for name, measure in theirs.items():
        expected = [measured[str(measure), str(user)] for user in range(len(truths))]
        assert metric(name, k)(ranking).tolist() == pytest.approx(expected, abs=1e-9), name


def test_r_precision_equals_ir_measures_where_the_list_is_long_enough(many):
    ir_measures = pytest.importorskip("ir_measures")
    ranking, truths = many
    lists = enumerate(ranking.items.tolist())
    run = [ir_measures.ScoredDoc(str(user), str(item), -p) for user, row in lists for p, item in enumerate(row) if item >= 0]
    right = [ir_measures.Qrel(str(user), str(item), 1) for user, truth in enumerate(truths) for item in truth]
    theirs = {int(m.query_id): m.value for m in ir_measures.iter_calc([ir_measures.Rprec], right, run)}
    ours = metric("r_precision", 10)(ranking).tolist()
    short = [user for user, truth in enumerate(truths) if len(truth) <= 10]
    assert len(short) > 50
    assert [ours[user] for user in short] == pytest.approx([theirs[user] for user in short], abs=1e-9)


@pytest.mark.parametrize("k", [1, 5, 10])
def test_ndcg_equals_sklearn(many, k):
    from sklearn.metrics import ndcg_score

    ranking, truths = many
    for user, value in enumerate(metric("ndcg", k)(ranking).tolist()):
        gains, order = torch.zeros(61), torch.full((61,), -1e9)
        gains[truths[user]] = 1
        order[ranking.items[user]] = -torch.arange(10.0)
        expected = ndcg_score(gains[None].numpy(), order[None].numpy(), k=k, ignore_ties=True)
        assert value == pytest.approx(expected, abs=1e-9)
