"""Histories to measure on: Amazon Beauty where it is at hand, and made-up ones of any size and mean length."""

from __future__ import annotations

import os
from pathlib import Path

import torch
from torch import Tensor

from recsys_cl.core.values import Interactions, Shape
from recsys_cl.ops.ragged import owners

BEAUTY = (22_363, 12_101, 7)


def beauty() -> tuple[str, Interactions, Tensor]:
    """Beauty's train part, all but everybody's last two items, and the item before the last [U]; or what has its size."""
    path = Path(os.environ.get("RECSYS_CL_REAL_DATA", "../shared/data")) / "beauty" / "sequences.txt"
    if not path.exists():
        data = made_up(*BEAUTY)
        return "made up, of Beauty's size", data, torch.arange(data.shape.users) % data.shape.items
    rows = [[int(number) - 1 for number in line.split()[1:]] for line in path.read_text("utf-8").splitlines()]
    shape = Shape(len(rows), 1 + max(max(row) for row in rows))
    return "beauty", _log(shape, [row[:-2] for row in rows]), torch.tensor([row[-2] for row in rows])


def made_up(users: int, items: int, mean: int, seed: int = 1) -> Interactions:
    """Histories of ``mean / 2`` to ``3 mean / 2`` items, all lengths and items alike."""
    rng = torch.Generator().manual_seed(seed)
    lengths = torch.randint(max(2, mean // 2), mean + mean // 2 + 1, (users,), generator=rng)
    met = torch.randint(items, (int(lengths.sum()),), generator=rng)
    who = owners(lengths)
    return Interactions(Shape(users, items), who, met, torch.zeros_like(who))


def _log(shape: Shape, rows: list[list[int]]) -> Interactions:
    who = owners(torch.tensor([len(row) for row in rows]))
    return Interactions(shape, who, torch.tensor([item for row in rows for item in row]), torch.zeros_like(who))
