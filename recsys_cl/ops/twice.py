"""Where a gradient is itself differentiated, losses leave their closed-form backward and attention its fused kernels aside."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from torch.nn.attention import SDPBackend, sdpa_kernel

_ASKED: ContextVar[bool] = ContextVar("differentiable twice", default=False)


@contextmanager
def twice_differentiable() -> Iterator[None]:
    """Within, the losses of `ops` are made of operations that can be differentiated again, and run under ``torch.func``.

    They give the same values, and hold all their logits at once.
    """
    before = _ASKED.set(True)
    try:
        with sdpa_kernel(SDPBackend.MATH):
            yield
    finally:
        _ASKED.reset(before)


def must_be_twice_differentiable() -> bool:
    """Whether somebody asked for it."""
    return _ASKED.get()
