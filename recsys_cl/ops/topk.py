"""The exact top k of every user's full ranking, by blocks of users inside a memory budget.

Selection is a tournament: the best k spans of 64 items by their maximum, inside them the best k spans of 8, inside those the
best k items. Nothing that belongs to the answer can be lost: where a span is left out, k spans stand before it, and the best
item of each of these stands before all of its items.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from recsys_cl.core.errors import Refused
from recsys_cl.core.values import Ragged
from recsys_cl.ops.csr import spoilt, stored
from recsys_cl.ops.score import FEWEST_ROWS, score

_SPANS = (64, 8, 1)  # widths of the rounds, each a divisor of the one before
CPU_ROWS = 256  # more rows at once fall out of the processor's caches and gain nothing
_LOW = 0xFFFFFFFF


@dataclass(frozen=True, slots=True, eq=False)
class Top:
    """The best items of each user, best first; of equal scores the smaller item id comes first."""

    items: Tensor  # [U, k] int64; -1 after the end of a list shorter than k
    scores: Tensor  # [U, k] float32; -inf beside -1


@torch.no_grad()
def top_k(
    users: Tensor, items: Tensor, k: int, exclude: Ragged | None = None, budget: int = 2**30, model: str = "the model"
) -> Top:
    """Rank all items for every user by dot product in fp32 and keep the best ``k``.

    A user's list does not depend on who else is asked for, nor on the budget.

    Args:
        users: vectors [U, D], dense or sparse (see `Encoding`).
        items: vectors [I, D].
        k: length of the lists; where fewer items can be recommended, the rest is -1.
        exclude: for each of the U users the items that must not appear (repeats are harmless).
        budget: bytes of working memory beside the arguments and the answer.
        model: who made the vectors, for the messages.

    Raises:
        Refused: scores would not be finite, or the budget does not hold the scores of a few users.
    """
    users, items = users.float(), items.float()
    require_finite(users, items, model)
    columns = math.ceil(items.shape[0] / _SPANS[0]) * _SPANS[0]
    rows = _rows(items.shape[0], k, exclude, budget, users.device)
    top = Top(
        torch.full((users.shape[0], k), -1, device=users.device),
        torch.full((users.shape[0], k), -torch.inf, device=users.device),
    )
    height = max(min(rows, users.shape[0]), FEWEST_ROWS)
    workspace = torch.full((height, columns), -torch.inf, device=users.device)
    for start in range(0, users.shape[0] if columns else 0, rows):
        block = slice(start, min(start + rows, users.shape[0]))
        count = block.stop - start
        score(users, items, block, workspace[: max(count, FEWEST_ROWS), : items.shape[0]])
        scores = workspace[:count]
        if exclude is not None:
            strike_out(scores, exclude, block)
        found, values = _select(scores, k)
        top.items[block, : found.shape[1]] = found.masked_fill_(values == -torch.inf, -1)
        top.scores[block, : found.shape[1]] = values
    return top


def _select(scores: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """The tournament over ``scores`` [B, C], C a multiple of the widest span: columns and scores, [B, min(k, C)]."""
    rows = torch.arange(scores.shape[0], device=scores.device)[:, None]
    places = torch.arange(scores.shape[1] // _SPANS[0], device=scores.device)
    maxima = scores.view(scores.shape[0], -1, _SPANS[0]).amax(-1)
    for span, narrower in zip(_SPANS, (*_SPANS[1:], 0), strict=True):
        places, maxima = _best(maxima, places, k)
        if narrower:
            parts = span // narrower
            places = (places[:, :, None] * parts + torch.arange(parts, device=scores.device)).flatten(1)
            spans = scores.view(-1, narrower)
            maxima = spans[rows * (scores.shape[1] // narrower) + places].amax(-1)
    return places, maxima


def _best(values: Tensor, places: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """The ``k`` greatest ``values`` [B, N], the smaller of ``places`` [N] or [B, N] first among equals.

    Value and place are joined in one integer, whose order is therefore total: a float's bits sort like the float once those
    of negative numbers are flipped, and they fill the upper half; the place counted backwards fills the lower.
    """
    bits = (values + 0.0).view(torch.int32)  # adding zero makes -0.0 equal to 0.0
    keys = ((bits ^ ((bits >> 31) & 0x7FFFFFFF)).long() << 32) + (_LOW - places)
    best = keys.topk(min(k, values.shape[1])).values
    high = (best >> 32).int()
    return _LOW - (best & _LOW), (high ^ ((high >> 31) & 0x7FFFFFFF)).view(torch.float32)


def strike_out(scores: Tensor, exclude: Ragged, block: slice) -> None:
    """Set to -inf, in ``scores`` [B, C] of the users in ``block``, what ``exclude`` says they must not get."""
    first, last = int(exclude.offsets[block.start]), int(exclude.offsets[block.stop])
    lengths = exclude.offsets[block.start : block.stop + 1].diff()
    starts = torch.arange(scores.shape[0], device=scores.device) * scores.shape[1]
    scores.view(-1).index_fill_(0, exclude.values[first:last] + starts.repeat_interleave(lengths), -torch.inf)


def row_bytes(items: int, k: int, longest: int = 0) -> int:
    """Working memory of one user: how many of ``items`` are ranked, and at most how many (``longest``) are excluded."""
    spans = math.ceil(items / _SPANS[0])
    candidates = max(spans, k * _SPANS[0] // _SPANS[1])
    # Scores; of each candidate its span, value, place and key with the intermediates of these; where to strike out, twice.
    return 4 * spans * _SPANS[0] + (4 * _SPANS[1] + 48) * candidates + 16 * longest


def _rows(items: int, k: int, exclude: Ragged | None, budget: int, device: torch.device) -> int:
    row = row_bytes(items, k, int(exclude.lengths.max()) if exclude is not None and len(exclude) else 0)
    if row * FEWEST_ROWS > budget:
        raise Refused(
            f"ranking {items} items needs at least {math.ceil(row * FEWEST_ROWS / 2**20)} MiB, "
            f"the memory budget is {budget / 2**20:.4g} MiB"
        )
    return min(budget // row, CPU_ROWS) if device.type == "cpu" else budget // row


def require_finite(users: Tensor, items: Tensor, model: str) -> None:
    """Refuse vectors whose dot products would not be finite."""
    bound = float(users.shape[1])
    for side, vectors in (("user", users), ("item", items)):
        numbers = stored(vectors)
        numbers = numbers if numbers.is_contiguous() else numbers.T  # a contiguous transpose is not copied either
        low, high = (float(end) for end in numbers.aminmax()) if numbers.numel() else (0.0, 0.0)  # makes no copy
        if not math.isfinite(low) or not math.isfinite(high):
            raise Refused(
                f"{model}: {spoilt(vectors)} of {len(vectors)} {side} vectors are not finite, so neither are the scores"
            )
        bound *= max(-low, high)
    if bound > torch.finfo(torch.float32).max:
        raise Refused(f"{model}: vectors are so long that their scores may overflow, up to {bound:.0e}")
