"""At most so many items of a category in a list: the best list under that rule, read off the ranking from its top."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from recsys_cl.ops.topk import Top

_DEEPER = 4  # a list that the rule left short is looked for so many times deeper


@dataclass(frozen=True, slots=True, eq=False)
class Cap:
    """At most ``most`` items of one category."""

    most: int
    categories: Tensor  # [I] int64; -1: the item has none, and is bound by nothing


def capped(rank: Callable[[Tensor, int], Top], rows: int, k: int, catalogue: int, cap: Cap) -> Top:
    """The lists of ``k`` whose scores are the highest among all that keep to ``cap``, exactly.

    An item has one category, so lists within the rule are the independent sets of a partition matroid, and taking the next
    best item that the rule allows gives the best of them (Edmonds, 1971, Matroids and the greedy algorithm). The ranking is
    read only as deep as it must be.

    Args:
        rank: the best items of some of the rows [R], so many deep.
        rows: how many lists.
        k: length of each.
        catalogue: no ranking is deeper.
        cap: the rule.
    """
    items, scores = torch.full((rows, k), -1), torch.full((rows, k), -torch.inf)
    short, depth = torch.arange(rows), min(2 * k, catalogue)
    while short.numel():
        top = rank(short, depth)
        items[short], scores[short] = _first(top, k, cap)
        short = short[(items[short, -1] < 0) & (depth < catalogue)]
        depth = min(_DEEPER * depth, catalogue)
    return Top(items, scores)


def _first(top: Top, k: int, cap: Cap) -> tuple[Tensor, Tensor]:
    """The first ``k`` of each ranking that the rule allows."""
    there = top.items >= 0
    category = torch.where(there, cap.categories[top.items.clamp(min=0)], -1)
    allowed = there & ((category < 0) | (_before(category) < cap.most))
    place = allowed.cumsum(1) - 1
    row, column = (allowed & (place < k)).nonzero(as_tuple=True)
    items, scores = torch.full((len(there), k), -1), torch.full((len(there), k), -torch.inf)
    items[row, place[row, column]] = top.items[row, column]
    scores[row, place[row, column]] = top.scores[row, column]
    return items, scores


def _before(category: Tensor) -> Tensor:
    """How many of the same row and category stand before each place, [R, K]."""
    grouped, order = torch.sort(category, dim=1, stable=True)
    places = torch.arange(category.shape[1]).expand_as(category)
    first = torch.ones_like(grouped, dtype=torch.bool)
    first[:, 1:] = grouped[:, 1:] != grouped[:, :-1]
    start = torch.where(first, places, 0).cummax(1).values
    return torch.empty_like(category).scatter_(1, order, places - start)
