"""What a list is worth beyond its hits, and where everything stands: by hand, and as independent libraries have it."""

from __future__ import annotations

import math

import pytest
import torch

from recsys_cl.core.build import build
from recsys_cl.core.errors import Refused
from recsys_cl.core.settings import Component
from recsys_cl.core.values import Encoding, Interactions, Ragged, Ranking, Shape
from recsys_cl.evaluation.held_out import hold_out
from recsys_cl.evaluation.measure import measure
from recsys_cl.evaluation.settings import Evaluation, build_metrics

# Six items; what is met: 0 five times, 1 four, 2 three, 3 twice, 4 once, 5 never.
POPULARITY = [5, 4, 3, 2, 1, 0]
CATEGORIES = [[0], [0], [1], [0, 1], [1], []]


def metric(use, k, **arguments):
    return build("evaluation.metrics", Component(use=use, k=k, **arguments), use)


def ragged(rows):
    values = torch.tensor([value for row in rows for value in row], dtype=torch.int64)
    return Ragged(values, torch.tensor([0, *(len(row) for row in rows)]).cumsum(0))


def lists(*rows, truth=(), history=((),)):
    right = [truth] * len(rows)
    hits = [[item in those for item in row] for row, those in zip(rows, right, strict=True)]
    return Ranking(
        torch.tensor(rows),
        torch.tensor(hits),
        torch.tensor([len(those) for those in right]),
        Shape(len(rows), 6),
        torch.tensor(POPULARITY),
        ragged(history),
        ragged(CATEGORIES),
        torch.tensor([[1.0, 0], [2, 0], [0, 3], [-1, 0], [1, 1], [0, 0]]),
    )


@pytest.mark.parametrize(
    ("use", "k", "ranking", "expected"),
    [
        ("popularity_lift", 2, lists([0, 1, 5], history=[[2, 3]]), (4.5 / 2.5) - 1),
        ("popularity_lift", 3, lists([5, -1, -1], history=[[4]]), -1),
        ("popularity_lift", 2, lists([0, 1], history=[[0, 0, 3]]), 4.5 / 4 - 1),  # met twice, counted twice
        ("popularity_lift", 2, lists([0, 1], history=[[]]), 0),
        ("serendipity", 2, lists([0, 2], truth={0, 2}, history=[[]]), 1 / 2),  # 0 is among the two most popular, 2 is not
        ("serendipity", 2, lists([0, 2], truth={0, 2}, history=[[1]]), 0),  # without 1, the two are 0 and 2
        ("serendipity", 2, lists([3, 4], truth={3}, history=[[1, 1]]), 1 / 2),  # 1 met twice is one item
        ("serendipity", 2, lists([3, 4], truth={3}, history=[[3]]), 0),  # no discovery
        ("serendipity", 9, lists([3, 4], truth={3}, history=[[]]), 0),  # a list of nine holds everything
        ("calibration", 2, lists([0, 1], history=[[0, 1]]), 0),
        ("calibration", 2, lists([0, 2], history=[[3]]), 0),
        ("calibration", 1, lists([0, 2], history=[[2]]), math.log(100)),
        ("calibration", 2, lists([5, -1], history=[[2]]), math.log(100)),
        ("calibration", 2, lists([0, 1], history=[[5]]), 0),  # nothing is known of the history
        (
            "calibration", 2, lists([0, 2], history=[[0, 0, 2, 3]]),
            5 / 8 * math.log(5 / 8 / (0.99 / 2 + 0.01 * 5 / 8)) + 3 / 8 * math.log(3 / 8 / (0.99 / 2 + 0.01 * 3 / 8)),
        ),
        ("intra_list_diversity", 3, lists([0, 1, 2]), 2 / 3),
        ("intra_list_diversity", 2, lists([0, 3]), 1 / 2),
        ("intra_list_diversity", 3, lists([0, 5, 2]), 1),  # 5 has no category
        ("intra_list_diversity", 3, lists([0, -1, -1]), 0),
        ("vector_diversity", 2, lists([0, 1]), 0),
        ("vector_diversity", 3, lists([0, 2, 3]), (1 + 2 + 1) / 3),
        ("vector_diversity", 2, lists([0, 4]), 1 - math.sqrt(1 / 2)),
        ("vector_diversity", 2, lists([0, 5]), 1),
        ("vector_diversity", 2, lists([0, -1]), 0),
    ],
)  # fmt: skip
def test_by_hand(use, k, ranking, expected):
    assert metric(use, k)(ranking).tolist() == pytest.approx([expected], abs=1e-12)


def given(scores, truths, seens, *names, ks=(2,), categories=None):
    """Measure one-hot users, whose scores are the rows of ``scores``."""
    users, items = len(scores), len(scores[0])
    pairs = [(user, item) for user, truth in enumerate(truths) for item in truth]
    met = [(user, item) for user, seen in enumerate(seens) for item in seen]
    shape = Shape(users, items)
    truth, known = (
        Interactions(shape, *torch.tensor(rows or [(0, 0)])[: len(rows)].T, torch.zeros(len(rows), dtype=torch.int64))
        for rows in (pairs, met)
    )
    encoding = Encoding(torch.eye(users), torch.tensor(scores, dtype=torch.float32).T.contiguous())
    metrics = build_metrics(Evaluation(metrics=names, ks=ks))
    return measure(encoding, hold_out(truth, known, exclude_seen=True), metrics, 2**30, "m", categories).values


@pytest.mark.parametrize(
    ("scores", "truth", "seen", "expected"),
    [
        ([4, 3, 2, 1], {0}, [], 1),
        ([4, 3, 2, 1], {3}, [], 0),
        ([4, 3, 2, 1], {1}, [], 2 / 3),
        ([4, 3, 2, 1], {1}, [0], 1),  # what was met is no negative
        ([1, 1, 1, 1], {3}, [], 1 / 2),
        ([4, 3, 3, 1], {1}, [], (1 + 1 / 2) / 3),
        ([4, 3, 2, 1], {0, 3}, [], 1 / 2),
        ([4, 3, 2, 1], {0, 4}, [], 1 / 2),  # outside the vocabulary: below everything
        ([4, 3, 2, 1], {0, 1, 2, 3}, [], 1 / 2),  # no negatives
    ],
)
def test_auc_by_hand(scores, truth, seen, expected):
    assert given([scores], [truth], [seen], "auc")["auc"].tolist() == pytest.approx([expected], abs=1e-12)


def test_auc_is_scikit_learns_with_ties_and_does_not_depend_on_depth():
    from sklearn.metrics import roc_auc_score

    rng = torch.Generator().manual_seed(5)
    scores = torch.randint(0, 6, (40, 30), generator=rng)
    truths = [set(torch.randperm(30, generator=rng)[: 1 + user % 7].tolist()) for user in range(40)]
    found = given(scores.tolist(), truths, [[]] * 40, "auc", "recall", ks=(5, 10))
    assert list(found) == ["auc", "recall@5", "recall@10"]
    for row, truth, value in zip(scores, truths, found["auc"].tolist(), strict=True):
        assert value == pytest.approx(roc_auc_score([item in truth for item in range(30)], row.numpy()), abs=1e-12)


@pytest.mark.parametrize(("of", "gains"), [("recall", [1, 1]), ("ndcg", [1, 1 / math.log2(3)]), ("mrr", [1, 1 / 2])])
def test_a_sampled_metric_is_its_mean_over_every_possible_draw(of, gains):
    from itertools import combinations

    scores, truth = [9, 8, 7, 6, 5, 4, 4, 1], {2, 5}
    rest = [item for item in range(8) if item not in truth]
    worth = [
        gain
        for target in truth
        for drawn in combinations(rest, 4)
        for place in [sum(scores[item] >= scores[target] for item in drawn)]
        for gain in [gains[place] if place < 2 else 0]
    ]
    found = given([scores], [truth], [[]], f"{of}_s4")[f"{of}_s4@2"]
    assert found.tolist() == pytest.approx([sum(worth) / len(worth)], abs=1e-9)


def test_a_sampled_metric_of_few_negatives_draws_them_all_and_of_what_cannot_be_recommended_is_0():
    assert given([[3, 2, 1]], [{1}], [[]], "recall_s50", ks=(1,))["recall_s50@1"].tolist() == [0]
    assert given([[3, 2, 1]], [{1}], [[]], "recall_s50", ks=(2,))["recall_s50@2"].tolist() == pytest.approx([1])
    assert given([[3, 2, 1]], [{3}], [[]], "recall_s50", ks=(9,))["recall_s50@9"].tolist() == [0]


def test_names_say_what_is_sampled():
    (recall,) = build_metrics(Evaluation(metrics=("recall_s100",), ks=(10,)))
    assert recall.name == "recall_s100@10"
    assert recall.convention.startswith("WARNING: biased")
    with pytest.raises(Refused, match=r"recall_s5@10: a list of 10 among 5 sampled negatives holds everything"):
        build_metrics(Evaluation(metrics=("recall_s5",), ks=(10,)))
    with pytest.raises(Refused, match=r"evaluation\.metrics\.0\.of: input should be 'recall', 'ndcg' or 'mrr'"):
        build_metrics(Evaluation(metrics=("gini_s100",), ks=(10,)))


def test_what_reads_categories_is_refused_where_there_are_none():
    with pytest.raises(Refused, match=r"'calibration@2' reads the items' categories.*evaluation\.category names the column"):
        given([[1, 2]], [{0}], [[]], "calibration")


def test_the_whole_catalogue_can_be_worked_on_in_blocks(monkeypatch):
    from recsys_cl.evaluation.metrics import calibration, intra_list_diversity, sampled, vector_diversity

    rng = torch.Generator().manual_seed(1)
    rows = torch.stack([torch.randperm(6, generator=rng)[:4] for _ in range(50)]).tolist()
    ranking = lists(*rows, truth={1}, history=[[user % 6, user % 4] for user in range(50)])
    for module, use in (
        (calibration, "calibration"),
        (intra_list_diversity, "intra_list_diversity"),
        (vector_diversity, "vector_diversity"),
    ):
        whole = metric(use, 4)(ranking)
        monkeypatch.setattr(module, "_CELLS", 20)
        assert torch.allclose(metric(use, 4)(ranking), whole, atol=1e-12), use
    scores = torch.rand(6, 9, generator=rng).tolist()
    whole = given(scores, [{0, 3}] * 6, [[]] * 6, "ndcg_s4")["ndcg_s4@2"]
    monkeypatch.setattr(sampled, "_CELLS", 6)
    assert torch.allclose(given(scores, [{0, 3}] * 6, [[]] * 6, "ndcg_s4")["ndcg_s4@2"], whole, atol=1e-12)
