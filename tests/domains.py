"""Two small domains with people in common, and one item that both sell."""

from __future__ import annotations

from dataclasses import replace

import torch

from recsys_cl.core.values import Interactions, ItemFeatures, Modality, Shape
from recsys_cl.ops.adjacency import connect
from recsys_cl.structures._numbers import item_numbers
from recsys_cl.structures.domains import Domains, _side_by_side
from recsys_cl.structures.graph import Graph
from tests.graphs import SHAPE, interactions, labelled

WORLD = Shape(users=40, items=30)


def belonging(*rows: tuple[int, ...], items: int = WORLD.items) -> ItemFeatures:
    """The feature ``domain``: which items each domain has."""
    values = torch.zeros(items, len(rows))
    for domain, row in enumerate(rows):
        values[list(row), domain] = 1
    return ItemFeatures({"domain": Modality(values, torch.ones(items, dtype=torch.bool))})


APART = belonging(tuple(range(20)), tuple(range(20, 30)))
ONE_SHARED = belonging(tuple(range(20)), tuple(range(19, 30)))


def log(seed: int = 0, count: int = 300) -> Interactions:
    """Users 0 to 9 meet items of the first domain only, 10 to 19 of the second only, the others of both."""
    met = interactions(seed, count, WORLD)
    first = met.items < 20
    kept = torch.where(met.users < 10, first, torch.where(met.users < 20, ~first, torch.ones_like(first)))
    return Interactions(WORLD, met.users[kept], met.items[kept], met.times[kept])


def domains() -> Domains:
    """A source over the small shape of the graphs, in double precision; its three domains overlap, and one has no items."""
    source = _side_by_side(SHAPE, interactions(), item_numbers(labelled(), "audio"))
    adjacency = connect(source.graph.shape, *source.graph.adjacency.ends(), dtype=torch.float64)
    return replace(source, graph=Graph(source.graph.shape, adjacency))
