"""The made-up catalogue: one row an item, and features from which its community can be read."""

from __future__ import annotations

import numpy as np

from recsys_cl.ingest.synthetic.catalogue import catalogue, identifiers
from recsys_cl.ingest.synthetic.planted import plant
from recsys_cl.ingest.synthetic.world import World

TRUTH = plant(World(items=600, communities=20))
TABLE = catalogue(TRUTH)


def test_a_row_for_each_item_in_order_of_ids():
    assert TABLE.column("item_id").to_pylist() == [f"item-{number:06d}" for number in range(600)]
    assert len(set(TABLE.column("title").to_pylist())) == 600
    assert TABLE.equals(catalogue(plant(TRUTH.world)))


def test_the_category_is_the_community():
    community = TRUTH.community[np.argsort(TRUTH.item_numbers)]
    names = set(zip(community.tolist(), TABLE.column("category").to_pylist(), strict=True))
    assert len(names) == len(set(community.tolist())) == len({name for _, name in names})


def test_features_tell_the_community():
    community = TRUTH.community[np.argsort(TRUTH.item_numbers)]
    for name, width in (("image", 8 * 8 * 3), ("text", 16)):
        features = np.array(TABLE.column(name).to_pylist(), dtype=np.float64)
        assert features.shape == (600, width)
        centres = np.stack([features[:300][community[:300] == c].mean(axis=0) for c in range(20)])
        nearest = ((features[300:, None] - centres) ** 2).sum(axis=2).argmin(axis=1)
        assert (nearest == community[300:]).mean() > 0.8


def test_ids_grow_with_the_catalogue():
    assert identifiers("user", np.array([3, 0], dtype=np.int32)).to_pylist() == ["user-000003", "user-000000"]
