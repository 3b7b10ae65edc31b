"""The best items of everybody who asks, under the rules of a business: by a vector where there is one, else what is popular."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from recsys_cl.core.values import Ragged
from recsys_cl.ops.ragged import take
from recsys_cl.ops.topk import Top, top_k
from recsys_cl.serving.asked import Asked
from recsys_cl.serving.bundle import Bundle
from recsys_cl.serving.cap import Cap, capped
from recsys_cl.serving.filters import NO_FILTERS, Filters, joined, within

BUDGET = 2**30
"""Bytes of working memory, where nobody says otherwise."""


def best(bundle: Bundle, asked: Asked, k: int, filters: Filters = NO_FILTERS, budget: int = BUDGET) -> Top:
    """Items and scores [n, k] of all who ask, -1 and -inf after the end of a list; a popular item's score is its count.

    A list does not depend on who else asks, and a shorter one is the beginning of a longer one.
    """
    items = len(bundle.item_ids)
    rules, refused = _Rules(filters.offered(items), filters.cap, budget), filters.for_users(asked.ids, items)
    known = asked.source > 0
    mine, others = (where.nonzero().flatten() for where in (known, ~known))
    exclude = asked.seen if (bundle.exclude_seen if filters.exclude_seen is None else filters.exclude_seen) else None
    if refused is not None:
        own = take(refused, mine)
        exclude = own if exclude is None else joined(exclude, own)
    top = _ranked(asked.vectors, bundle.items, k, exclude, rules)
    if not others.numel():
        return top
    everyones, counts = torch.ones(1, 1), bundle.counts.float()[:, None]  # a model of one dimension
    if refused is None:
        popular = _ranked(everyones, counts, k, None, rules)
    else:
        popular = _ranked(everyones.expand(len(others), 1), counts, k, take(refused, others), rules)
    whole = Top(torch.empty(len(known), k, dtype=torch.int64), torch.empty(len(known), k))
    whole.items[mine], whole.scores[mine] = top.items, top.scores
    whole.items[others], whole.scores[others] = popular.items, popular.scores
    return whole


@dataclass(frozen=True, slots=True, eq=False)
class _Rules:
    """What holds for all lists of one question."""

    offered: Tensor | None  # [C] items, rising; None: the whole catalogue
    cap: Cap | None
    budget: int


def _ranked(users: Tensor, items: Tensor, k: int, exclude: Ragged | None, rules: _Rules) -> Top:
    """The best ``k`` of what is offered for each of ``users`` [R, D]."""
    offered = rules.offered
    if offered is not None:
        exclude = None if exclude is None else within(exclude, offered, len(items))
        items = items[offered]

    def deep(rows: Tensor, depth: int) -> Top:
        some = None if exclude is None else take(exclude, rows)
        top = top_k(users[rows], items, depth, exclude=some, budget=rules.budget)
        return top if offered is None else _renamed(top, offered)

    everybody = torch.arange(len(users))
    return deep(everybody, k) if rules.cap is None else capped(deep, len(users), k, len(items), rules.cap)


def _renamed(top: Top, offered: Tensor) -> Top:
    """Places among what is offered as items of the catalogue."""
    if not offered.numel():
        return top
    return Top(torch.where(top.items >= 0, offered[top.items.clamp(min=0)], -1), top.scores)
