"""Domains of items: every item has one, several only where that was declared."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from recsys_cl.core.build import build
from recsys_cl.core.errors import Refused
from recsys_cl.core.settings import Component


def known(values: list, **settings: object) -> np.ndarray:
    items = pa.table({"item_id": [f"i{at}" for at in range(len(values))], "shop": values})
    component = Component(use="domain", column="shop", **settings)
    reading = build("ingest.features", component, "prepare.features.domain", name="domain")
    found = reading(items, reading.fit(items))
    assert found.present.all()
    return found.values


def test_a_column_a_domain_in_the_order_of_names_or_as_declared() -> None:
    assert known(["b", "a", "b"]).tolist() == [[0, 1], [1, 0], [0, 1]]
    assert known(["b", "a", "b"], domains=["b", "a"]).tolist() == [[1, 0], [0, 1], [1, 0]]
    assert known([["a"], ["b", "a"]], overlap=True).tolist() == [[1, 0], [1, 1]]


@pytest.mark.parametrize(
    ("values", "settings", "told"),
    [
        (["a", None, "b"], {}, r"prepare\.features\.domain: item 'i1' has no domain"),
        (["a", "a"], {}, r"prepare\.features\.domain: every item is of 'a'"),
        (["a", "b"], {"domains": ["a", "b", "c"]}, r"domain\.domains: no item .* 'c'"),
        (["a", "b"], {"domains": ["a"]}, r"domain\.domains: .* 'b', which is not declared"),
        ([["a", "b"], ["a"]], {}, r"domain\.overlap: item 'i0' is of 2 domains"),
    ],
)
def test_what_tells_no_domains_apart_is_refused_by_key(values: list, settings: dict, told: str) -> None:
    with pytest.raises(Refused, match=told):
        known(values, **settings)
