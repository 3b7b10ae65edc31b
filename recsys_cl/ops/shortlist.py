"""Out of approximate scores of a block the few items that can be among the best k; these are scored exactly and put in order.

The catalogue is dealt into spans, neighbours into different ones, and each span is known by its best item. Where the best
of k spans reach a score, k items do; whatever may still stand before them lies in a span whose best item may.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from recsys_cl.ops.approximate import Approximation

_WIDTHS = (64, 16, 4, 1)
_LOW = 0xFFFFFFFF
_AT_ONCE = 2**14  # items of a crowded user


@dataclass(frozen=True, slots=True)
class Plan:
    """How a catalogue of ``items`` is dealt out for lists of ``k``: item i is in span ``i % spans``."""

    items: int
    k: int

    @property
    def width(self) -> int:
        """Items of a span: as many as leave spans enough that k best items seldom share one."""
        return next((width for width in _WIDTHS if self.items >= 4 * self.k * width), 1)

    @property
    def spans(self) -> int:
        """How many."""
        return math.ceil(self.items / self.width)

    @property
    def columns(self) -> int:
        """Of a block of scores: every span is full."""
        return self.spans * self.width

    @property
    def most_spans(self) -> int:
        """A user with more to look into is crowded, and looked after alone."""
        return min(self.spans, 2 * self.k + 32)

    @property
    def most(self) -> int:
        """Items that are scored exactly for a user who is not crowded."""
        return min(self.columns, 4 * self.k + 64)

    def row_bytes(self, size: int) -> int:
        """Working memory of a user: scores of ``size`` bytes, the best of each span, the spans looked into, the items found."""
        return size * self.columns + 8 * self.spans + (5 * self.width + 32) * self.most_spans + 48 * self.most

    @property
    def bytes_alone(self) -> int:
        """Working memory of a crowded user, for whom every item may have to be scored exactly, and of exact scores."""
        return 64 * min(self.columns, _AT_ONCE) + 2**20


def shortlist(approximation: Approximation, block: slice, scores: Tensor, plan: Plan) -> tuple[Tensor, Tensor, Tensor]:
    """The exact best ``plan.k`` of a block, and who was too crowded to decide.

    Args:
        approximation: wrote ``scores``.
        block: of B users.
        scores: [B, C]; -inf, written over what `Approximation.fill` wrote, keeps an item out.
        plan: of k and the catalogue.

    Returns:
        Items [B, K] and their scores, best first, K <= k; -inf after the end of a list. And rows [N] of the crowded,
        whose lists are empty.
    """
    keys = approximation.order(scores)
    spans = keys.view(len(keys), plan.width, plan.spans)
    best = spans.amax(1)
    reached = best.topk(min(plan.k, plan.spans)).values[:, -1]
    least = approximation.least(block, reached)
    open_spans = best >= least[:, None]
    many = open_spans.sum(1)
    crowded = (many > plan.most_spans) | (many == 0)
    rows, columns = open_spans.logical_and_(~crowded[:, None]).nonzero(as_tuple=True)
    reach = spans[rows, :, columns] >= least[rows][:, None]
    found = torch.zeros(len(keys), dtype=torch.int64, device=keys.device).index_add_(0, rows, reach.sum(1))
    crowded |= found > plan.most
    which, place = reach.logical_and_(~crowded[rows][:, None]).nonzero(as_tuple=True)
    rows, items = rows[which], place * plan.spans + columns[which]
    return *_ordered(
        rows, items, approximation.exact(block, rows, items, scores), len(keys), plan.k
    ), crowded.nonzero().flatten()


def alone(approximation: Approximation, block: slice, row: int, scores: Tensor, plan: Plan) -> tuple[Tensor, Tensor]:
    """The exact best of one crowded ``row`` of a block, as `shortlist` gives them."""
    keys = approximation.order(scores)[row]
    reached = keys.view(plan.width, plan.spans).amax(0).topk(min(plan.k, plan.spans)).values[-1:]
    least = approximation.least(block, reached.expand(block.stop - block.start))[row]
    found, values = keys.new_empty(0, dtype=torch.int64), keys.new_empty(0, dtype=torch.float32)
    for start in range(0, len(keys), _AT_ONCE):
        items = start + (keys[start : start + _AT_ONCE] >= least).nonzero().flatten()
        exact = approximation.exact(block, torch.full_like(items, row), items, scores)
        best, highest = best_of(torch.cat((values, exact))[None], torch.cat((found, items))[None], plan.k)
        found, values = best[0], highest[0]
    return found, values


def _ordered(rows: Tensor, items: Tensor, scores: Tensor, count: int, k: int) -> tuple[Tensor, Tensor]:
    """``items`` [P] with ``scores``, those of a row together, as lists [count, K]."""
    lengths = torch.bincount(rows, minlength=count)
    place = torch.arange(len(rows), device=rows.device) - (lengths.cumsum(0) - lengths)[rows]
    values = torch.full((count, int(lengths.max())), -torch.inf, device=rows.device)
    places = torch.zeros(values.shape, dtype=torch.int64, device=rows.device)
    values[rows, place], places[rows, place] = scores, items
    return best_of(values, places, k)


def best_of(values: Tensor, places: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """The ``k`` greatest ``values`` [B, N], the smaller of ``places`` [B, N] first among equals; places, then values.

    Value and place are joined in one integer, whose order is therefore total: a float's bits sort like the float once those
    of negative numbers are flipped, and they fill the upper half; the place counted backwards fills the lower.
    """
    bits = (values + 0.0).view(torch.int32)  # adding zero makes -0.0 equal to 0.0
    keys = ((bits ^ ((bits >> 31) & 0x7FFFFFFF)).long() << 32) + (_LOW - places)
    best = keys.topk(min(k, values.shape[1])).values
    high = (best >> 32).int()
    return _LOW - (best & _LOW), (high ^ ((high >> 31) & 0x7FFFFFFF)).view(torch.float32)
