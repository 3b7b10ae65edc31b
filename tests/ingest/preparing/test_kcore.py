"""The k-core against networkx and against a slow twin with two bounds."""

from __future__ import annotations

import networkx as nx
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys_cl.ingest.prepare import KCore
from recsys_cl.ingest.preparing.kcore import distinct, kcore

PAIRS = st.lists(st.tuples(st.integers(0, 7), st.integers(0, 7)), max_size=60)


def arrays(pairs):
    return tuple(np.array([pair[side] for pair in pairs], dtype=np.int32) for side in (0, 1))


def slow_core(pairs, bounds):
    left = set(pairs)
    while True:
        users = {u for u, _ in left if len({i for v, i in left if v == u}) >= bounds.users}
        items = {i for _, i in left if len({u for u, j in left if j == i}) >= bounds.items}
        stay = {(u, i) for u, i in left if u in users and i in items}
        if stay == left:
            return left
        left = stay


@settings(deadline=None, max_examples=50)
@given(PAIRS, st.integers(1, 4))
def test_equals_networkx_on_distinct_pairs(pairs, k):
    users, items = arrays(pairs)
    kept = kcore(users, items, KCore(users=k, items=k))
    graph = nx.Graph([(("user", u), ("item", i)) for u, i in pairs])
    core = nx.k_core(graph, k)
    assert {pair for pair, stays in zip(pairs, kept, strict=True) if stays} == {
        (u, i) for u, i in pairs if core.has_edge(("user", u), ("item", i))
    }


@settings(deadline=None, max_examples=50)
@given(PAIRS, st.integers(1, 4), st.integers(1, 4))
def test_two_bounds_equal_the_slow_twin(pairs, least_items, least_users):
    bounds = KCore(users=least_items, items=least_users)
    kept = kcore(*arrays(pairs), bounds)
    assert {pair for pair, stays in zip(pairs, kept, strict=True) if stays} == slow_core(pairs, bounds)


def test_every_repeat_of_a_pair_in_the_core_stays():
    users, items = arrays([(0, 0), (0, 1), (1, 0), (1, 1), (0, 0), (2, 0)])
    assert kcore(users, items, KCore(users=2, items=2)).tolist() == [True] * 5 + [False]


def test_a_repeat_is_no_second_partner():
    users, items = arrays([(0, 0), (0, 0)])
    assert not kcore(users, items, KCore(users=2)).any()


@settings(deadline=None, max_examples=50)
@given(st.lists(st.integers(-5, 5)))
def test_distinct_equals_unique(values):
    assert distinct(np.array(values, dtype=np.int64)).tolist() == sorted(set(values))
