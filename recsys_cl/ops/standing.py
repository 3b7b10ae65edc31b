"""Where every held-out item stands in its user's full ranking, counted by blocks of users inside a memory budget."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from recsys_cl.core.errors import Refused
from recsys_cl.core.values import Ragged, Standing
from recsys_cl.ops.ragged import owners
from recsys_cl.ops.score import FEWEST_ROWS, score
from recsys_cl.ops.topk import CPU_ROWS, require_finite, strike_out


@torch.no_grad()
def standing(
    users: Tensor,
    items: Tensor,
    truth: Ragged,
    exclude: Ragged | None = None,
    budget: int = 2**30,
    model: str = "the model",
) -> Standing:
    """Count, for every held-out item, the negatives that score higher and those that score the same, by dot product in fp32.

    A user's negatives are the items that are neither held out nor excluded. A held-out item that cannot be recommended
    (outside the vocabulary, or excluded) stands below all of them. Counts are exact and do not depend on the budget.

    Args:
        users: vectors [U, D], dense or sparse (see `Encoding`).
        items: vectors [I, D].
        truth: the held-out items of each user; I stands for items outside the vocabulary.
        exclude: the items that each user must not get.
        budget: bytes of working memory beside the arguments and the answer.
        model: who made the vectors, for messages.

    Raises:
        Refused: scores would not be finite, or the budget does not hold the scores of a few users.
    """
    users, items = users.float(), items.float()
    require_finite(users, items, model)
    height = _rows(len(items), budget)
    total = len(truth.values)
    above, tied = (torch.zeros(total, dtype=torch.int64, device=users.device) for _ in range(2))
    offered = torch.zeros(total, dtype=torch.bool, device=users.device)
    negatives = torch.zeros(len(users), dtype=torch.int64, device=users.device)
    for start in range(0, len(users), height):
        block = slice(start, min(start + height, len(users)))
        count = block.stop - start
        scores = torch.empty(max(count, FEWEST_ROWS), len(items), device=users.device)
        score(users, items, block, scores)
        scores = scores[:count]
        if exclude is not None:
            strike_out(scores, exclude, block)
        first, last = int(truth.offsets[block.start]), int(truth.offsets[block.stop])
        rows = owners(truth.offsets[block.start : block.stop + 1].diff(), last - first)
        own = _take_out(scores, rows, truth.values[first:last])
        negatives[block] = (scores > -torch.inf).sum(1)
        higher, same = _count(scores, rows, own)
        offered[first:last] = found = own > -torch.inf
        above[first:last] = torch.where(found, higher, negatives[block][rows])
        tied[first:last] = torch.where(found, same, 0)
    return Standing(owners(truth.lengths, total), above, tied, offered, negatives)


def _count(scores: Tensor, rows: Tensor, own: Tensor) -> tuple[Tensor, Tensor]:
    """How many of ``scores`` [B, I] in row ``rows[p]`` exceed ``own[p]``, and how many equal it, [P] each.

    The own scores of a row and the next larger floats cut the line into intervals; every score falls into one, and all held-out
    items of a row are answered by one pass over it.
    """
    lengths = torch.bincount(rows, minlength=len(scores))
    place = torch.arange(len(rows), device=rows.device) - (lengths.cumsum(0) - lengths)[rows]
    values = own.masked_fill(own == -torch.inf, torch.inf)
    pairs = torch.stack((values, values.nextafter(torch.tensor(torch.inf, device=own.device))), 1)  # [P, 2]
    cuts = scores.new_full((len(scores), max(int(lengths.max()), 1), 2), torch.inf)
    cuts[rows, place] = pairs
    line = cuts.flatten(1).sort(1).values
    ends = torch.searchsorted(line, cuts.flatten(1), right=True).view(cuts.shape)[rows, place]
    intervals = torch.searchsorted(line, scores, right=True, out_int32=True)
    width = line.shape[1] + 1
    intervals += torch.arange(0, len(scores) * width, width, device=rows.device, dtype=torch.int32)[:, None]
    inside = torch.bincount(intervals.flatten(), minlength=len(scores) * width).view(len(scores), width)
    from_here = inside.flip(1).cumsum(1).flip(1)  # [B, width]: scores in this interval and all higher ones
    at_least, more = from_here[rows[:, None], ends].unbind(1)
    return more, at_least - more


def _take_out(scores: Tensor, rows: Tensor, held_out: Tensor) -> Tensor:
    """The scores [P] of the held-out items; they leave ``scores``. -inf for what is outside the vocabulary."""
    known = held_out < scores.shape[1]
    own = torch.full(held_out.shape, -torch.inf, device=scores.device)
    where = rows[known], held_out[known]
    own[known] = scores[where]
    scores[where] = -torch.inf
    return own


def _rows(items: int, budget: int) -> int:
    row = 20 * max(items, 1)  # of each item a score, its interval, and the intermediates of both
    if row * FEWEST_ROWS > budget:
        least = math.ceil(row * FEWEST_ROWS / 2**20)
        raise Refused(f"standing among {items} items needs at least {least} MiB, the memory budget is {budget / 2**20:.4g} MiB")
    return min(budget // row, CPU_ROWS)
