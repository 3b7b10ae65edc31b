"""Losses are computed in full precision, also where the model around them is not."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

import torch
from torch import Tensor

P = ParamSpec("P")
R = TypeVar("R")

_HALF = (torch.bfloat16, torch.float16)


def full_precision(op: Callable[P, R]) -> Callable[P, R]:
    """``op`` outside of any ``torch.autocast``, its half-precision tensors widened to fp32; others come as they are.

    A temperature of 0.1 turns bfloat16's eight bits into errors of several percent in every probability, and matrix
    products written into fp32 memory do not run under autocast at all. Encoders keep their mixed precision.
    """

    @wraps(op)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        device = next((value.device.type for value in (*args, *kwargs.values()) if isinstance(value, Tensor)), "cpu")
        with torch.autocast(device, enabled=False):
            return op(*map(_widened, args), **{name: _widened(value) for name, value in kwargs.items()})  # type: ignore[arg-type]

    return run


def _widened(value: object) -> object:
    return value.float() if isinstance(value, Tensor) and value.dtype in _HALF else value
