"""UltraGCN's term over items against a loop; what else the recipe reads is as if the neighbours were not asked for."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch

from recsys_cl.core.errors import Refused
from recsys_cl.core.values import Batch, Encoding
from recsys_cl.encoders.lightgcn import LightGCN
from recsys_cl.methods.neighbours import Neighbours
from recsys_cl.ops.co_occurrence import nearest_items
from tests.graphs import SHAPE, generator, graph, interactions

LOG = interactions()
BATCH = Batch(
    graph(),
    torch.tensor([4, 0, 5]),
    torch.tensor([3, 0, 2]),
    2,
    torch.tensor([0, 1, 2, 0]),
    torch.tensor([0, 1, 1, 1]),
    torch.tensor([[2], [2], [0], [2]]),
)


class Sees:
    """Keeps what it is given; costs what its users sum to."""

    views = 0

    def __call__(self, main, views, batch):
        self.main = main
        return main.users.sum()


def method(objective=None) -> Neighbours:
    encoder = LightGCN(SHAPE, generator(1), dim=4, layers=1, init="normal").double()
    return Neighbours(encoder, {"seen": (2.0, objective or Sees())}, LOG, weight=0.5, neighbours=3)


WHOLE = replace(BATCH, items=None, positives=0, positive=BATCH.items[BATCH.positive])


@pytest.mark.parametrize("batch", [BATCH, WHOLE], ids=["own items", "whole catalogue"])
def test_the_term_is_the_sum_over_the_positives_neighbours(batch: Batch) -> None:
    built = method()
    terms = built.losses(batch, generator())
    [whole] = built.encoder([BATCH.source], torch.arange(SHAPE.users))
    nearest, weights = nearest_items(LOG, 3)
    total = 0.0
    for query, row in zip(BATCH.query.tolist(), BATCH.positive.tolist(), strict=True):
        user, item = BATCH.users[query], BATCH.items[row]
        for near, weight in zip(nearest[item].tolist(), weights[item].tolist(), strict=True):
            total += weight * math.log1p(math.exp(-float(whole.users[user].detach() @ whole.items[near].detach())))
    assert terms["neighbours"].item() == pytest.approx(0.5 * total / 4, abs=1e-9)
    assert set(terms) == {"seen", "neighbours"}


def test_other_objectives_see_the_batch_alone() -> None:
    objective = Sees()
    built = method(objective)
    built.losses(BATCH, generator())
    [alone] = built.encoder([BATCH.source], BATCH.users, BATCH.items)
    for one, other in zip((objective.main, *objective.main.layers), (alone, *alone.layers), strict=True):
        assert torch.allclose(one.users, other.users, atol=1e-12)
        assert torch.allclose(one.items, other.items, atol=1e-12)


def test_all_node_negatives_are_refused() -> None:
    objective = Sees()
    objective.everyone = True
    with pytest.raises(Refused, match="negatives = 'all'"):
        method(objective)


def test_it_encodes_as_its_encoder() -> None:
    built, users = method(), torch.arange(SHAPE.users)
    found = built.encode(BATCH.source, users)
    assert isinstance(found, Encoding)
    assert torch.equal(found.users, built.encoder([BATCH.source], users)[0].users)
