"""Small random graphs, and LightGCN as one would write it on paper: dense matrices, autograd, no sharing."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from recsys_cl.core.values import Interactions, ItemFeatures, Modality, Shape
from recsys_cl.ops.adjacency import Adjacency, connect
from recsys_cl.ops.ordering import Ordering
from recsys_cl.structures.graph import Graph
from recsys_cl.structures.modal import Modal

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


def shuffled(shape: Shape = SHAPE, seed: int = 7) -> Ordering:
    """Users, then items, each in a random order."""
    rng = generator(seed)
    users, items = torch.randperm(shape.users, generator=rng), torch.randperm(shape.items, generator=rng)
    nodes = torch.cat((users, items + shape.users))
    return Ordering(nodes, torch.argsort(nodes))


def disordered(seed: int = 0, count: int = 18, shape: Shape = SHAPE) -> Graph:
    """The same as ``graph``, its nodes kept in another order."""
    return Graph(shape, connect(shape, *pairs(seed, count, shape), dtype=torch.float64, ordering=shuffled(shape)))


def weighed(seed: int = 0, count: int = 18, shape: Shape = SHAPE) -> Graph:
    """The same edges, in disorder, which count for something between 0.1 and 1.1."""
    strengths = 0.1 + torch.rand(count, dtype=torch.float64, generator=generator(seed + 50))
    ends = pairs(seed, count, shape)
    return Graph(shape, connect(shape, *ends, torch.float64, shuffled(shape), strengths))


def features(seed: int = 0, shape: Shape = SHAPE, missing: float = 0.3) -> ItemFeatures:
    """Two modalities of several widths, each absent for some items but not for all."""
    rng = generator(seed)
    made = {}
    for name, width in (("image", 6), ("audio", 3)):
        present = torch.rand(shape.items, generator=rng) >= missing
        present[0] = True
        made[name] = Modality(torch.randn(shape.items, width, generator=rng) * present[:, None], present)
    return ItemFeatures(made)


def labelled() -> ItemFeatures:
    """The same, but that a coordinate of "audio" is a category."""
    told = features().modalities
    return ItemFeatures({**told, "audio": replace(told["audio"], values=(told["audio"].values > 0).float())})


def modal(seed: int = 0, count: int = 18, shape: Shape = SHAPE) -> Modal:
    plain = graph(seed, count, shape)
    own = torch.bincount(plain.adjacency.ends()[1], minlength=shape.items) > 0
    return Modal(shape, plain, features(seed, shape), own)


def dense(adjacency: Adjacency) -> Tensor:
    """D^-1/2 A D^-1/2 from nothing but the edges and what they count for, [N, N] float64."""
    users, items = adjacency.ends()
    counts = torch.ones(adjacency.edges) if adjacency.strengths is None else adjacency.strengths
    nodes = adjacency.shape.users + adjacency.shape.items
    matrix = torch.zeros(nodes, nodes, dtype=torch.float64)
    for user, item, count in zip(users.tolist(), items.tolist(), counts.tolist(), strict=True):
        matrix[user, adjacency.shape.users + item] = matrix[adjacency.shape.users + item, user] = count
    degree = matrix.sum(1)
    scale = torch.where(degree > 0, degree, torch.ones_like(degree)).pow(-0.5)
    return scale[:, None] * matrix * scale
