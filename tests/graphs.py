"""Small random graphs, and LightGCN as one would write it on paper: dense matrices, autograd, no sharing."""

from __future__ import annotations

import torch
from torch import Tensor

from recsys_cl.core.values import Interactions, Shape
from recsys_cl.ops.adjacency import Adjacency, connect
from recsys_cl.structures.graph import Graph

SHAPE = Shape(users=7, items=5)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def pairs(seed: int = 0, count: int = 18, shape: Shape = SHAPE) -> tuple[Tensor, Tensor]:
    rng = generator(seed)
    return torch.randint(shape.users, (count,), generator=rng), torch.randint(shape.items, (count,), generator=rng)


def interactions(seed: int = 0, count: int = 18, shape: Shape = SHAPE) -> Interactions:
    users, items = pairs(seed, count, shape)
    return Interactions(shape, users, items, torch.zeros_like(users))


def graph(seed: int = 0, count: int = 18, shape: Shape = SHAPE) -> Graph:
    return Graph(shape, connect(shape, *pairs(seed, count, shape), dtype=torch.float64))


def dense(adjacency: Adjacency) -> Tensor:
    """D^-1/2 A D^-1/2 from nothing but the edges, [N, N] float64."""
    users, items = adjacency.ends()
    nodes = adjacency.shape.users + adjacency.shape.items
    matrix = torch.zeros(nodes, nodes, dtype=torch.float64)
    for user, item in zip(users.tolist(), items.tolist(), strict=True):
        matrix[user, adjacency.shape.users + item] = matrix[adjacency.shape.users + item, user] = 1
    degree = matrix.sum(1)
    scale = torch.where(degree > 0, degree, torch.ones_like(degree)).pow(-0.5)
    return scale[:, None] * matrix * scale
