"""The graph of one kind of behaviour alone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from recsys_cl.core.errors import Refused
from recsys_cl.core.values import Interactions, Shape
from recsys_cl.ingest.dataset import load_interactions
from recsys_cl.ops.adjacency import connect
from recsys_cl.structures.graph import Graph
from recsys_cl.views.one_behaviour import OneBehaviour
from tests.graphs import generator

SHAPE = Shape(users=3, items=4)
USERS, ITEMS = torch.tensor([0, 0, 1, 2]), torch.tensor([0, 3, 1, 2])
BOUGHT = torch.tensor([True, False, True, False])
MET = Interactions(SHAPE, USERS, ITEMS, torch.arange(4), {"buy": BOUGHT, "cart": torch.zeros(4, dtype=torch.bool)})


def test_only_its_edges_are_left() -> None:
    seen = OneBehaviour(MET, "buy")(Graph(SHAPE, connect(SHAPE, USERS, ITEMS)), generator())
    users, items = seen.adjacency.ends()
    assert list(zip(users.tolist(), items.tolist(), strict=True)) == [(0, 0), (1, 1)]


@pytest.mark.parametrize(
    ("met", "behaviour", "told"),
    [
        (MET, "bye", r"views: .*'bye'.*'buy'"),
        (MET, "cart", r"views: .*'cart'"),
        (replace(MET, behaviours={}), "buy", r"views: .*prepare\.behaviours"),
    ],
)
def test_a_behaviour_that_is_not_known_is_refused(met: Interactions, behaviour: str, told: str) -> None:
    with pytest.raises(Refused, match=told):
        OneBehaviour(met, behaviour)(Graph(SHAPE, connect(SHAPE, USERS, ITEMS)), generator())


def test_types_of_event_come_from_the_counts_of_train_and_what_is_later_has_none(tmp_path: Path) -> None:
    table = {"user": [0, 1, 3], "item": [0, 1, 2], "timestamp": [1, 2, 3], "n_buy": np.array([2, 0, 1], np.int32)}
    pq.write_table(pa.table(table), tmp_path / "train.parquet")
    train = load_interactions(tmp_path / "train.parquet", SHAPE)
    assert train.behaviours["buy"].tolist() == [True, False], "user 3 is outside the vocabulary"
    later = Interactions(SHAPE, torch.tensor([2]), torch.tensor([2]), torch.tensor([0]))
    assert train.then(later).behaviours["buy"].tolist() == [False, True, False], "the order is that of the times"
