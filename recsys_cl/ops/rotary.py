"""Rotary positions: queries and keys are turned by their place, so that attention sees how far apart two places are."""

from __future__ import annotations

import torch
from torch import Tensor

_BASE = 10_000.0


def angles(longest: int, width: int, device: torch.device) -> Tensor:
    """By how much each pair of coordinates is turned at each place, [longest, width / 2]; Su et al., 2021, arXiv:2104.09864."""
    speeds = _BASE ** (-torch.arange(0, width, 2, device=device, dtype=torch.float64) / width)
    return torch.arange(longest, device=device, dtype=torch.float64)[:, None] * speeds


def rotated(values: Tensor, turns: Tensor) -> Tensor:
    """``values`` [..., L, E] with coordinates ``i`` and ``i + E / 2`` turned as one by ``turns`` [L, E / 2]."""
    cos, sin = turns.cos().to(values.dtype), turns.sin().to(values.dtype)
    one, other = values.chunk(2, -1)
    return torch.cat((one * cos - other * sin, one * sin + other * cos), -1)
