"""The generated log as a source, and the answer it promises: taste beats popularity, order beats taste alone."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from recsys_cl.core.build import build
from recsys_cl.core.settings import Component
from recsys_cl.ingest.source import row_schema


def source(**arguments):
    return build("ingest.sources", Component.model_validate({"use": "synthetic", **arguments}), "ingest.source", seed=7)


def test_raw_rows_know_their_place(tmp_path):
    log = source(users=50, items=40, events=5_000).read(tmp_path)
    table = pa.Table.from_batches(log.batches, log.schema)
    assert source().files() == []
    assert table.num_rows == 5_000
    columns = ("user_id", "item_id", "timestamp", "event")
    assert log.schema == row_schema({name: table.schema.field(name).type for name in columns})
    assert table.column("line").to_pylist() == list(range(5_000))
    assert "reason" not in table.column_names  # nothing that is made up can be at fault
    assert set(table.column("item_id").to_pylist()) <= set(log.items.column("item_id").to_pylist())


def test_taste_beats_popularity_and_order_beats_taste(tmp_path):
    made = source()
    planted = made.planted
    table = pa.Table.from_batches(made.read(tmp_path).batches, made.read(tmp_path).schema)
    users, items = (table.column(name).to_numpy(zero_copy_only=False) for name in ("user_id", "item_id"))
    user_at = {f"user-{number:06d}": place for place, number in enumerate(planted.user_numbers)}
    item_at = {f"item-{number:06d}": place for place, number in enumerate(planted.item_numbers)}
    users, items = np.array([user_at[u] for u in users]), np.array([item_at[i] for i in items])
    cut = int(len(users) * 0.9)
    met = np.zeros((2_000, 1_200), dtype=bool)
    met[users[:cut], items[:cut]] = True
    new = np.zeros_like(met)
    new[users[cut:], items[cut:]] = True
    new &= ~met
    last = dict(zip(users[:cut].tolist(), items[:cut].tolist(), strict=True))
    tested = np.array(sorted(set(np.flatnonzero(new.any(axis=1)).tolist()) & set(last)))
    user_factors, item_factors = planted.factors(0.9)
    taste = (user_factors @ item_factors.T)[tested]
    order = np.zeros_like(taste)
    for row, user in enumerate(tested.tolist()):
        order[row, planted.successors[last[user]]] += (0.6, 0.3, 0.1)

    def recall(scores):
        top = np.argsort(np.where(met[tested], -np.inf, scores), axis=1)[:, -20:]
        hits = np.take_along_axis(new[tested], top, axis=1).sum(axis=1)
        return float((hits / new[tested].sum(axis=1)).mean())

    popular = recall(np.broadcast_to(met.sum(axis=0), taste.shape))
    assert recall(taste) > 3 * popular
    assert recall(taste + 0.15 * order) > 1.1 * recall(taste)
