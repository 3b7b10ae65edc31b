"""Segments add up to the whole, whatever is divided, and a segment of its own is judged like a test part of its own."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys_cl.core.errors import Refused
from recsys_cl.core.values import Encoding, Interactions, Ragged, Ranking, Shape
from recsys_cl.evaluation.divisions import cold_items, column, history_length, item_age, item_popularity
from recsys_cl.evaluation.held_out import hold_out
from recsys_cl.evaluation.measure import measure
from recsys_cl.evaluation.rank import rank
from recsys_cl.evaluation.segments import Division, about_hits, user_segments
from recsys_cl.evaluation.segments import item_segments as of_hits
from recsys_cl.evaluation.settings import Evaluation, build_metrics

ABOUT_HITS = ("recall", "capped_recall", "ndcg", "precision", "hit_rate", "mrr", "map", "uncapped_map", "r_precision")
METRICS = build_metrics(Evaluation(metrics=(*ABOUT_HITS, "coverage", "novelty"), ks=(1, 4)))


def item_segments(division, ranking, truth, metrics):
    return of_hits(division, ranking, truth, about_hits(metrics, ranking))


def interactions(shape, rows):
    users, items, times = torch.tensor(rows, dtype=torch.int64).reshape(-1, 3).T
    return Interactions(shape, users, items, times)


def world(seed, users=7, items=9):
    """A ranking of random vectors with ties, and what was held out, cold items among it."""
    rng = torch.Generator().manual_seed(seed)
    truth = [sorted(set(torch.randint(items + 1, (1 + seed % 4,), generator=rng).tolist())) for _ in range(users)]
    lengths = torch.tensor([len(row) for row in truth])
    offsets = torch.cat((torch.zeros(1, dtype=torch.int64), lengths.cumsum(0)))
    held_out = Ragged(torch.tensor([item for row in truth for item in row]), offsets)
    vectors = Encoding(
        torch.randint(-1, 2, (users, 2), generator=rng).float(), torch.randint(-1, 2, (items, 2), generator=rng).float()
    )
    ranking, _ = rank(vectors, held_out, None, 4, popularity=torch.arange(items))
    return ranking, held_out, rng


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 5))
def test_segments_add_up_to_the_whole(seed, count):
    ranking, truth, rng = world(seed)
    values = {metric.name: metric(ranking) for metric in METRICS}
    labels = tuple(f"s{number}" for number in range(count))
    by_user = Division("by", labels, torch.randint(count, (7,), generator=rng))
    by_item = Division("by", labels, torch.randint(count, (10,), generator=rng))
    users, items = user_segments(by_user, values, ranking.held_out), item_segments(by_item, ranking, truth, METRICS)
    assert sum(len(row.rows) for row in users) == 7
    for rows, names in ((users, set(values)), (items, {name for name in values if name.split("@")[0] in ABOUT_HITS})):
        assert sum(int(row.held_out.sum()) for row in rows) == int(truth.lengths.sum())
        for name in names:
            assert sum(row.share[name] for row in rows) == pytest.approx(float(values[name].mean()), abs=1e-12)
        for row in rows:
            assert bool(row.metrics) == (len(row.rows) > 0)
            assert not any(math.isnan(number) for number in (*row.metrics.values(), *row.share.values()))
            assert not any(row.share.values()) or len(row.rows) > 0


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000))
def test_one_segment_is_the_whole(seed):
    ranking, truth, _ = world(seed)
    whole = {m.name: float(m(ranking).mean()) for m in METRICS if m.name.split("@")[0] in ABOUT_HITS}
    [row] = item_segments(Division("all", ("all",), torch.zeros(10, dtype=torch.int64)), ranking, truth, METRICS)
    assert (len(row.rows), int(row.held_out.sum())) == (7, int(truth.lengths.sum()))
    assert dict(row.metrics) == pytest.approx(whole)
    assert dict(row.share) == pytest.approx(whole)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000))
def test_a_segment_is_judged_like_a_test_part_that_holds_nothing_else(seed):
    ranking, truth, rng = world(seed)
    of = torch.randint(2, (10,), generator=rng)
    for number, row in enumerate(item_segments(Division("by", ("a", "b"), of), ranking, truth, METRICS)):
        kept = [[item for item in truth.row(user).tolist() if of[item] == number] for user in range(7)]
        asked = [user for user in range(7) if kept[user]]
        assert len(row.rows) == len(asked)
        for metric in METRICS:
            if len(row.rows) and metric.name.split("@")[0] in ABOUT_HITS:
                hits = torch.tensor([[item in kept[user] for item in ranking.items[user].tolist()] for user in asked])
                part = Ranking(
                    ranking.items[asked], hits, torch.tensor([len(kept[user]) for user in asked]), Shape(len(asked), 9)
                )
                assert row.metrics[metric.name] == pytest.approx(float(metric(part).mean()))


def test_shares_by_hand():
    # One list (item 0 head, item 1 tail), both held out, and a third that was missed.
    ranking = Ranking(torch.tensor([[0, 2, 1]]), torch.tensor([[True, False, True]]), torch.tensor([3]), Shape(1, 4))
    truth = Ragged(torch.tensor([0, 1, 3]), torch.tensor([0, 3]))
    metrics = build_metrics(Evaluation(metrics=("recall", "hit_rate", "mrr", "coverage"), ks=(3,)))
    head, tail = item_segments(
        Division("item popularity", ("head", "tail"), torch.tensor([0, 1, 1, 1, 1])), ranking, truth, metrics
    )
    assert dict(head.metrics) == {"recall@3": 1, "hit_rate@3": 1, "mrr@3": 1}
    assert dict(tail.metrics) == pytest.approx({"recall@3": 1 / 2, "hit_rate@3": 1, "mrr@3": 1 / 3})
    assert dict(head.share) == pytest.approx({"recall@3": 1 / 3, "hit_rate@3": 1 / 2, "mrr@3": 3 / 4})
    assert dict(tail.share) == pytest.approx({"recall@3": 1 / 3, "hit_rate@3": 1 / 2, "mrr@3": 1 / 4})
    assert [(row["users"], row["held_out"]) for row in (head.as_json(), tail.as_json())] == [(1, 1), (1, 2)]


def test_what_ranks_cold_items_apart_is_about_no_hits_of_the_lists_also_where_it_has_none():
    known = interactions(Shape(2, 4), [(0, 0, 0), (1, 1, 1), (0, 2, 2)])
    asked = interactions(Shape(2, 4), [(0, 1, 3), (1, 2, 3)])
    metrics = build_metrics(Evaluation(metrics=("recall", "recall_cold", "ndcg_s3"), ks=(2,)))
    held_out = hold_out(asked, known, exclude_seen=True)
    measured = measure(Encoding(torch.eye(2), torch.ones(4, 2)), held_out, metrics, 2**24, "x")
    assert not measured.values["recall_cold@2"].any()
    about = about_hits(metrics, measured.ranking)
    assert [metric.name for metric in about] == ["recall@2"]
    assert len(of_hits(item_popularity(known), measured.ranking, held_out.truth, about)) > 0


class Pairs:
    """1 for who has two hits: no segment of one hit is worth anything alone."""

    name, k, convention, reads = "pairs@3", 3, "", ()

    def __call__(self, ranking):
        return (ranking.hits.sum(1) >= 2).double()


def test_what_no_segment_earns_alone_is_shared_by_hits():
    ranking = Ranking(torch.tensor([[0, 2, 1]]), torch.tensor([[True, False, True]]), torch.tensor([2]), Shape(1, 4))
    truth = Ragged(torch.tensor([0, 1]), torch.tensor([0, 2]))
    rows = item_segments(Division("by", ("a", "b"), torch.tensor([0, 1, 1, 1, 1])), ranking, truth, [Pairs()])
    assert [dict(row.share) for row in rows] == [{"pairs@3": 0.5}, {"pairs@3": 0.5}]


class Remembering(Pairs):
    """Reads a part of the ranking that has a row for each user, and so must be given all rows."""

    reads = ("history",)

    def __call__(self, ranking):
        assert len(ranking.items) == 2
        return ranking.hits.any(1).double()


def test_a_metric_that_reads_histories_is_given_all_rows():
    ranking = Ranking(torch.tensor([[0], [1]]), torch.tensor([[True], [False]]), torch.tensor([1, 1]), Shape(2, 2))
    [row] = item_segments(
        Division("by", ("all",), torch.zeros(3, dtype=torch.int64)),
        ranking,
        Ragged(torch.tensor([0, 0]), torch.arange(3)),
        [Remembering()],
    )
    assert row.values["pairs@3"].tolist() == [1, 0]


def test_popularity_is_divided_by_thirds_of_the_interactions():
    shape = Shape(20, 6)
    rows = [(user, item, 0) for item, count in ((4, 6), (1, 3), (2, 3), (0, 2), (3, 2), (5, 2)) for user in range(count)]
    found = item_popularity(interactions(shape, rows))
    assert found.labels == ("head", "mid", "tail", "cold")
    assert [found.labels[label] for label in found.of.tolist()] == ["tail", "mid", "mid", "tail", "head", "tail", "cold"]
    assert item_popularity(interactions(Shape(1, 2), [(0, 0, 0)])).of.tolist() == [
        1,
        3,
        3,
    ]  # half of all lies in the middle; nobody met 1


def test_new_items_came_with_the_last_tenth():
    train = interactions(Shape(9, 4), [*((user, user % 2, user) for user in range(9)), (0, 2, 9), (1, 0, 10), (2, 3, 10)])
    found = item_age(train)
    assert [found.labels[label] for label in found.of.tolist()] == ["older", "older", "older", "new", "new"]
    timeless = interactions(Shape(9, 2), [(user, user % 2, 0) for user in range(9)])
    assert item_age(timeless).of.tolist() == [0, 0, 1]


def test_histories_fall_into_bands():
    known = interactions(
        Shape(6, 200), [(user, item, 0) for user, count in enumerate((0, 4, 5, 9, 100, 150)) for item in range(count)]
    )
    found = history_length(torch.arange(6), known)
    assert [found.labels[label] for label in found.of.tolist()] == ["0-4", "0-4", "5-9", "5-9", "100+", "100+"]
    assert history_length(torch.tensor([4]), known).of.tolist() == [5]


def test_cold_items_are_those_that_nobody_met_or_that_are_outside_the_vocabulary():
    assert cold_items(torch.tensor([3, 1])).of.tolist() == [0, 0, 1]
    assert cold_items(torch.tensor([3, 0, 1])).of.tolist() == [0, 1, 0, 1]


def test_columns_of_text_lists_flags_and_numbers():
    genre = pd.Series(["drama", None, "comedy", "drama", "other"], name="genre")
    found = column(genre, outside=True)
    assert (found.by, found.labels) == ("genre", ("drama", "comedy", "other", "unknown"))
    assert found.of.tolist() == [0, 3, 1, 0, 2, 3]
    lists = column(pd.Series([np.array(["b", "a"]), np.array([], dtype=object), np.array(["b"])], name="tags"), outside=False)
    assert [lists.labels[label] for label in lists.of.tolist()] == ["b", "unknown", "b"]
    flags = column(pd.Series([True, False, True], name="paid"), outside=False)
    assert flags.labels[:2] == ("True", "False")
    few = column(pd.Series([1.0, np.nan, 2.5], name="stars"), outside=False)
    assert [few.labels[label] for label in few.of.tolist()] == ["1", "unknown", "2.5"]
    endless = column(pd.Series([*range(20), np.inf], name="weight"), outside=False)
    assert set(endless.labels) == {"0 to 4.75", "4.75 to 9.5", "9.5 to 14.25", "14.25 to 19", "inf", "other", "unknown"}
    assert endless.labels[endless.of[-1]] == "inf"
    many = column(pd.Series(range(40), name="price"), outside=False)
    assert torch.bincount(many.of).tolist() == [10, 10, 10, 10]
    assert set(many.labels[:4]) == {"0 to 9.75", "9.75 to 19.5", "19.5 to 29.25", "29.25 to 39"}
    assert many.labels[many.of[0]] == "0 to 9.75"
    assert many.labels[many.of[39]] == "29.25 to 39"
    ages = column(pd.Series([*map(str, range(40)), "", None], name="age"), outside=False)
    assert set(ages.labels) == {*many.labels[:4], "other", "unknown"}, "a text file makes numbers text"
    assert ages.of[-2:].tolist() == [ages.labels.index("unknown")] * 2
    zips = column(pd.Series([*map(str, range(40)), "T8H1N"], name="zip"), outside=False)
    assert "other" in {zips.labels[label] for label in zips.of.tolist()}, "what is not all numbers is text"
    wide = column(pd.Series([f"c{i}" for i in range(30)] + ["c29"], name="wide"), outside=False)
    assert (len(wide.labels), wide.labels[:2]) == (14, ("c29", "c0"))
    with pytest.raises(Refused, match="lists of numbers"):
        column(pd.Series([np.array([0.1, 0.2])], name="vector"), outside=True)
