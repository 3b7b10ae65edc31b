"""Graphs to measure on: published splits where they are at hand, and made-up ones of any size with popular and rare nodes."""

from __future__ import annotations

import os
from pathlib import Path

import torch
from torch import Generator, Tensor

from recsys_cl.core.values import Interactions, Shape


def real(name: str) -> Interactions | None:
    """The published train part of ``name`` under RECSYS_CL_REAL_DATA; None where it is not."""
    path = Path(os.environ.get("RECSYS_CL_REAL_DATA", "../shared/data")) / name / "train.txt"
    if not path.exists():
        return None
    rows = [torch.tensor([int(number) for number in line.split()]) for line in path.read_text("utf-8").splitlines()]
    users = torch.cat([row[:1].expand(len(row) - 1) for row in rows])
    items = torch.cat([row[1:] for row in rows])
    return Interactions(Shape(int(users.max()) + 1, int(items.max()) + 1), users, items, torch.zeros_like(users))


def made_up(users: int, items: int, edges: int, seed: int = 1) -> Interactions:
    """About ``edges`` distinct pairs, both ends drawn with odds that fall with the square root of a shuffled rank."""
    rng = torch.Generator().manual_seed(seed)
    drawn = torch.empty(0, dtype=torch.int64)
    while len(drawn) < edges:
        more = _skewed(users, edges - len(drawn), rng) * items + _skewed(items, edges - len(drawn), rng)
        drawn = torch.unique(torch.cat((drawn, more)))
    asking, answering = drawn // items, drawn % items
    return Interactions(Shape(users, items), asking, answering, torch.zeros_like(asking))


def _skewed(nodes: int, count: int, rng: Generator) -> Tensor:
    rank = (torch.rand(count, dtype=torch.float64, generator=rng).square() * nodes).long()
    return torch.randperm(nodes, generator=rng)[rank]
