"""The exact top k of every user's full ranking, by blocks of users inside a memory budget.

All items are scored fast and approximately, and those that may belong to the answer exactly: see `ops/approximate.py` for the
bound that makes nothing get lost, and `ops/shortlist.py` for the search.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from recsys_cl.core.errors import Diverged, Refused
from recsys_cl.core.values import Ragged
from recsys_cl.ops.approximate import Approximation, Halves, Plain, Whole, half_precision_pays
from recsys_cl.ops.csr import is_sparse, spoilt, stored
from recsys_cl.ops.ragged import take
from recsys_cl.ops.shortlist import Plan, alone, shortlist

CPU_ROWS = 192  # more rows at once fall out of the processor's caches and gain nothing


@dataclass(frozen=True, slots=True, eq=False)
class Top:
    """The best items of each user, best first; of equal scores the smaller item id comes first."""

    items: Tensor  # [U, k] int64; -1 after the end of a list shorter than k
    scores: Tensor  # [U, k] float32; -inf beside -1


@torch.no_grad()
def top_k(
    users: Tensor, items: Tensor, k: int, exclude: Ragged | None = None, budget: int = 2**30, model: str = "the model"
) -> Top:
    """Rank all items for every user by dot product and keep the best ``k``.

    A score is the dot product of fp32 vectors, added in fp64 and rounded to fp32 (of sparse vectors, added in fp32 in the
    order of the row), so a list depends on nothing else: not on who else is asked for, nor on the budget, nor on the
    precision of matrix products.

    Args:
        users: vectors [U, D], dense or sparse (see `Encoding`).
        items: vectors [I, D].
        k: length of the lists; where fewer items can be recommended, the rest is -1.
        exclude: for each of the U users the items that must not appear (repeats are harmless).
        budget: bytes of working memory beside the arguments and the answer.
        model: who made the vectors, for the messages.

    Raises:
        Refused: scores would not be finite, or the budget does not hold the scores of a user.
    """
    users, items = users.float(), items.float()
    require_finite(users, items, model)
    top = Top(
        torch.full((users.shape[0], k), -1, device=users.device),
        torch.full((users.shape[0], k), -torch.inf, device=users.device),
    )
    if not top.items.numel() or not items.shape[0]:
        return top
    plan = Plan(items.shape[0], k)
    if not half_precision_pays(users, items, budget - least_budget(plan.items, k, _longest(exclude))):
        _rank(_in_full(users, items), plan, exclude, budget, top)
        return top
    left = _rank(Halves.of(users, items, plan.columns), plan, exclude, budget, top, decides_all=False)
    if len(left):
        rest = Top(top.items[left], top.scores[left])
        _rank(_in_full(users[left], items), plan, None if exclude is None else take(exclude, left), budget, rest)
        top.items[left], top.scores[left] = rest.items, rest.scores
    return top


def _in_full(users: Tensor, items: Tensor) -> Plain | Whole:
    return Whole(users, items) if is_sparse(users) else Plain.of(users, items)


def _rank(
    scorer: Approximation, plan: Plan, exclude: Ragged | None, budget: int, top: Top, *, decides_all: bool = True
) -> Tensor:
    """Write into ``top`` the lists of all users; without ``decides_all``, of those who are not crowded. Returns the others."""
    count = len(top.items)
    height = _height(plan, exclude, budget - scorer.bytes_kept, scorer.dtype.itemsize, top.items.device)
    workspace = torch.full((min(height, count), plan.columns), -torch.inf, dtype=scorer.dtype, device=top.items.device)
    undecided = []
    for start in range(0, count, height):
        block = slice(start, min(start + height, count))
        scores = workspace[: block.stop - start]
        scorer.fill(block, scores)
        if exclude is not None:
            strike_out(scores, exclude, block)
        items, values, crowded = shortlist(scorer, block, scores, plan)
        _write(top, torch.arange(block.start, block.stop, device=items.device), items, values)
        for row in crowded.tolist() if decides_all else ():
            items, values = alone(scorer, block, row, scores, plan)
            _write(top, crowded.new_tensor([start + row]), items[None], values[None])
        undecided.append(crowded + start)
    return torch.cat(undecided)


def _write(top: Top, rows: Tensor, items: Tensor, values: Tensor) -> None:
    top.items[rows, : items.shape[1]] = items.masked_fill(values == -torch.inf, -1)
    top.scores[rows, : items.shape[1]] = values


def strike_out(scores: Tensor, exclude: Ragged, block: slice) -> None:
    """Set to -inf, in ``scores`` [B, C] of the users in ``block``, what ``exclude`` says they must not get."""
    first, last = int(exclude.offsets[block.start]), int(exclude.offsets[block.stop])
    lengths = exclude.offsets[block.start : block.stop + 1].diff()
    starts = torch.arange(scores.shape[0], device=scores.device) * scores.shape[1]
    scores.view(-1).index_fill_(0, exclude.values[first:last] + starts.repeat_interleave(lengths), -torch.inf)


def least_budget(items: int, k: int, longest: int = 0, rows: int = 1, size: int = 4) -> int:
    """Working memory for blocks of ``rows`` users: how many of ``items`` are ranked, and at most how many are excluded."""
    plan = Plan(items, k)
    return plan.bytes_alone + rows * (plan.row_bytes(size) + 16 * longest)


def _longest(exclude: Ragged | None) -> int:
    return int(exclude.lengths.max()) if exclude is not None and len(exclude) else 0


def _height(plan: Plan, exclude: Ragged | None, budget: int, size: int, device: torch.device) -> int:
    least, more = (least_budget(plan.items, plan.k, _longest(exclude), rows, size) for rows in (1, 2))
    if least > budget:
        raise Refused(
            f"ranking {plan.items} items needs at least {math.ceil(least / 2**20)} MiB, "
            f"the memory budget is {budget / 2**20:.4g} MiB"
        )
    rows = 1 + (budget - least) // (more - least)
    return min(rows, CPU_ROWS) if device.type == "cpu" else rows


def require_finite(users: Tensor, items: Tensor, model: str) -> None:
    """Refuse vectors whose dot products would not be finite."""
    bound = float(users.shape[1])
    for side, vectors in (("user", users), ("item", items)):
        numbers = stored(vectors)
        numbers = numbers if numbers.is_contiguous() else numbers.T  # a contiguous transpose is not copied either
        low, high = (float(end) for end in numbers.aminmax()) if numbers.numel() else (0.0, 0.0)  # makes no copy
        if not math.isfinite(low) or not math.isfinite(high):
            raise Diverged(
                f"{model}: {spoilt(vectors)} of {len(vectors)} {side} vectors are not finite, so neither are the scores"
            )
        bound *= max(-low, high)
    if bound > torch.finfo(torch.float32).max:
        raise Diverged(f"{model}: vectors are so long that their scores may overflow, up to {bound:.0e}")
