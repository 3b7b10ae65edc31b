"""What stands before in the same row, for all places of flat rows at once: the step of convolutions and of running sums."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def earlier(values: Tensor, place: Tensor, steps: int) -> Tensor:
    """The values ``steps`` places before in the same row, zero where the row has not begun, [N, D].

    Args:
        values: [N, D], row after row.
        place: [N] position of each inside its row, from 0.
        steps: how far back, >= 0.
    """
    if not steps:
        return values
    moved = F.pad(values[: max(0, len(values) - steps)], (0, 0, min(steps, len(values)), 0))
    return moved.masked_fill((place < steps)[:, None], 0)


def taps(values: Tensor, place: Tensor, steps: list[int]) -> Tensor:
    """For each place what stood each of ``steps`` places before, side by side, [N, len(steps) * D]."""
    return torch.cat([earlier(values, place, back) for back in steps], 1)


def running_sum(values: Tensor, place: Tensor, longest: int, decay: float = 1.0) -> Tensor:
    """``sum_s decay^s x[t - s]`` over each row up to each place, [N, D].

    By doubling (Hillis & Steele 1986, doi:10.1145/7902.7903): log2(longest) passes that add, and never subtract, so a row
    is as exact as if it were alone.
    """
    reach = 1
    while reach < longest:
        values = values + decay**reach * earlier(values, place, reach)
        reach *= 2
    return values
