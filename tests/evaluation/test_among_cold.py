"""Cold items by themselves: the ranking of a catalogue that holds nothing else, item ids kept."""

from __future__ import annotations

import pytest
import torch

from recsys_cl.core.errors import Refused
from recsys_cl.core.values import Encoding, Interactions, Shape
from recsys_cl.evaluation.held_out import hold_out
from recsys_cl.evaluation.measure import measure
from recsys_cl.evaluation.settings import Evaluation, build_metrics
from recsys_cl.ops.csr import csr, take

SHAPE = Shape(5, 12)
COLD = [2, 3, 7, 8, 11]
RNG = torch.Generator().manual_seed(3)
VECTORS = Encoding(torch.randn(5, 4, generator=RNG), torch.randn(12, 4, generator=RNG))
METRICS = build_metrics(Evaluation(metrics=("recall", "recall_cold", "ndcg_cold"), ks=(1, 3)))


def log(*pairs: tuple[int, int]) -> Interactions:
    users, items = torch.tensor(pairs).T
    return Interactions(SHAPE, users, items, torch.zeros_like(users))


KNOWN = log(*((item % 5, item) for item in range(12) if item not in COLD))
TRUTH = {0: [2, 12, 6], 1: [3, 8], 2: [11, 7, 2], 4: [1]}
"""12 is outside the vocabulary: cold, and a miss; 6 and 1 are met by others, and user 4 has nothing cold."""


def measured(known: Interactions = KNOWN, encoding: Encoding = VECTORS):
    held_out = hold_out(log(*((user, item) for user, items in TRUTH.items() for item in items)), known, exclude_seen=True)
    asking = Encoding(encoding.users[held_out.users], encoding.items)
    return held_out, measure(asking, held_out, METRICS, 2**30, "m")


def test_it_is_what_a_loop_finds_among_the_cold_items() -> None:
    _, found = measured()
    for row, (user, truth) in enumerate(TRUTH.items()):
        scores = {item: float(VECTORS.users[user] @ VECTORS.items[item]) for item in COLD}
        best = sorted(COLD, key=lambda item, scores=scores: -scores[item])[:3]
        right = [item for item in truth if item in COLD or item == 12]
        assert found.ranking.cold.items[row].tolist() == best
        expected = len(set(best) & set(right)) / max(len(right), 1)
        assert found.values["recall_cold@3"][row].item() == pytest.approx(expected)
    assert found.values["recall_cold@3"][3] == 0
    assert found.ranking.cold.held_out.tolist() == [2, 2, 3, 0]


def test_the_ranking_of_the_whole_catalogue_is_untouched() -> None:
    _, found = measured()
    assert found.ranking.shape == Shape(4, 12)
    assert set(found.ranking.items.flatten().tolist()) - set(COLD)
    assert list(found.values) == ["recall@1", "recall@3", "recall_cold@1", "recall_cold@3", "ndcg_cold@1", "ndcg_cold@3"]


def test_where_everything_was_met_it_is_refused_by_the_setting_that_lets_items_in() -> None:
    with pytest.raises(Refused, match=r'every item of the catalogue was met.*cold_items = "features"'):
        measured(log(*((item % 5, item) for item in range(12))))


def test_sparse_vectors_are_ranked_as_dense_ones_are() -> None:
    _, dense = measured()
    users = csr(torch.arange(0, 21, 4), torch.arange(4).repeat(5), VECTORS.users.flatten(), 4)
    items = csr(torch.arange(0, 49, 4), torch.arange(4).repeat(12), VECTORS.items.flatten(), 4)
    held_out, _ = measured()
    asking = Encoding(take(users, held_out.users), items.to_dense().to_sparse_csc().transpose(0, 1).transpose(0, 1))
    found = measure(asking, held_out, METRICS, 2**30, "m")
    assert torch.equal(found.ranking.cold.items, dense.ranking.cold.items)
