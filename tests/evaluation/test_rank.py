"""Rankings: what is masked, what is missed, and what may not matter."""

from __future__ import annotations

import pytest
import torch

from recsys_cl.core.errors import Refused
from recsys_cl.core.values import Encoding, Interactions, Ragged, Shape
from recsys_cl.evaluation.held_out import hold_out
from recsys_cl.evaluation.metrics.ndcg import NDCG
from recsys_cl.evaluation.metrics.recall import Recall
from recsys_cl.evaluation.rank import rank


def ragged(*rows):
    return Ragged(
        torch.tensor([value for row in rows for value in row], dtype=torch.int64),
        torch.tensor([0, *(len(row) for row in rows)]).cumsum(0),
    )


def met(shape, *pairs):
    users, items = (torch.tensor([pair[side] for pair in pairs], dtype=torch.int64) for side in (0, 1))
    return Interactions(shape, users, items, torch.arange(len(pairs)))


@pytest.fixture
def case():
    """40 users, 90 items, distinct scores."""
    rng = torch.Generator().manual_seed(2)
    vectors = Encoding(torch.randn(40, 8, generator=rng), torch.randn(90, 8, generator=rng))
    orders = [torch.randperm(90, generator=rng).tolist() for _ in range(40)]
    return vectors, ragged(*(order[: 1 + u % 30] for u, order in enumerate(orders))), ragged(*(o[60:] for o in orders))


def test_hits_stay_in_their_own_row_and_list():
    # User 0's lists end with -1; user 1 held out the item that -1 and the items outside the vocabulary must not be taken for.
    vectors = Encoding(torch.ones(3, 1), torch.tensor([[3.0], [2.0], [1.0]]))
    ranking, _ = rank(vectors, ragged([2, 3], [3], [0]), ragged([0, 1], [0, 1, 2], []), 4)
    assert ranking.items.tolist() == [[2, -1, -1, -1], [-1] * 4, [0, 1, 2, -1]]
    assert ranking.hits.tolist() == [[True, False, False, False], [False] * 4, [True, False, False, False]]
    assert ranking.held_out.tolist() == [2, 1, 1]


def test_seen_items_are_never_recommended_unless_wanted(case):
    vectors, truth, seen = case
    masked, _ = rank(vectors, truth, seen, 90)
    for user in range(40):
        assert not set(masked.items[user].tolist()) & set(seen.row(user).tolist())
        assert (masked.items[user] >= 0).sum() == 60
    everything, _ = rank(vectors, truth, None, 90)
    assert everything.items.sort(1).values.equal(torch.arange(90).expand(40, -1))


def test_a_monotone_transform_of_the_scores_changes_nothing(case):
    vectors, truth, seen = case
    scaled = Encoding(vectors.users * torch.linspace(0.5, 4, 40)[:, None], vectors.items)
    (plain, _), (after, _) = rank(vectors, truth, seen, 20), rank(scaled, truth, seen, 20)
    assert plain.items.equal(after.items)


def test_relabelling_items_relabels_the_lists(case):
    vectors, truth, seen = case
    new = torch.randperm(90, generator=torch.Generator().manual_seed(1))
    items = torch.empty_like(vectors.items)
    items[new] = vectors.items
    plain, _ = rank(vectors, truth, seen, 20)
    after, _ = rank(
        Encoding(vectors.users, items), Ragged(new[truth.values], truth.offsets), Ragged(new[seen.values], seen.offsets), 20
    )
    assert new[plain.items].equal(after.items)
    assert plain.hits.equal(after.hits)


def test_recall_grows_with_k_and_a_promoted_hit_raises_ndcg(case):
    vectors, truth, seen = case
    ranking, _ = rank(vectors, truth, seen, 60)
    recalls = torch.stack([Recall(k)(ranking) for k in range(1, 61)])
    assert (recalls.diff(dim=0) >= 0).all()
    assert recalls[-1].equal(torch.ones(40, dtype=torch.float64))
    before = NDCG(60)(ranking)
    later = (~ranking.hits[:, :-1]) & ranking.hits[:, 1:]
    for user, place in later.nonzero().tolist():
        hits = ranking.hits.clone()
        hits[user, place], hits[user, place + 1] = True, False
        promoted = NDCG(60)(type(ranking)(ranking.items, hits, ranking.held_out, ranking.shape))
        assert promoted[user] > before[user]


def test_a_model_that_is_not_finite_is_named(case):
    vectors, truth, seen = case
    vectors.items[7, 3] = torch.nan
    with pytest.raises(Refused, match="sgl: 1 of 90 item vectors"):
        rank(vectors, truth, seen, 5, model="sgl")


SHAPE = Shape(5, 4)


def test_only_users_with_something_held_out_are_asked():
    held = hold_out(met(SHAPE, (3, 1), (1, 4), (3, 1), (3, 0), (1, 4)), met(SHAPE, (0, 0), (3, 2), (3, 3)), exclude_seen=True)
    assert held.users.tolist() == [1, 3]
    assert sorted(held.truth.row(0).tolist()) == [4, 4]  # outside the vocabulary: cannot be told apart, each counts
    assert sorted(held.truth.row(1).tolist()) == [0, 1]  # a known item counts once
    assert held.seen is not None
    assert [held.seen.row(row).tolist() for row in (0, 1)] == [[], [2, 3]]


def test_nothing_is_masked_when_seen_items_may_come_again():
    assert hold_out(met(SHAPE, (0, 1)), met(SHAPE, (0, 1)), exclude_seen=False).seen is None


def test_no_user_with_truth_is_refused():
    with pytest.raises(Refused, match="nothing can be evaluated"):
        hold_out(met(SHAPE), met(SHAPE, (0, 1)), exclude_seen=True)
