"""Fresh parameters and layers: their first values come from the generator that is handed over, and from nothing else."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Generator, nn

_DRAWN = {"uniform": nn.init.xavier_uniform_, "normal": nn.init.xavier_normal_}


def normal(*shape: int, spread: float, rng: Generator) -> nn.Parameter:
    """A parameter, normal with deviation ``spread``."""
    return nn.Parameter(torch.empty(shape).normal_(std=spread, generator=rng))


def linear(
    width: int, out: int, rng: Generator, *, drawn: Literal["uniform", "normal"] = "uniform", bias: bool = True
) -> nn.Linear:
    """An affine map: Xavier weight, no bias yet; without ``bias`` a linear one.

    By way of the device ``meta``: a layer made where it is used would draw values of its own from torch's global generator.
    """
    layer = nn.Linear(width, out, bias=bias, device="meta").to_empty(device="cpu")
    _DRAWN[drawn](layer.weight, generator=rng)
    if bias:
        nn.init.zeros_(layer.bias)
    return layer
