"""Mixed precision is a method around a method; the loop does not know."""

from __future__ import annotations

from typing import Any, Generic, TypeVar

import torch
from torch import Generator, Tensor, nn

from recsys_cl.core.protocols import Method
from recsys_cl.core.values import Batch, Encoding

S = TypeVar("S")


class Bfloat16(Generic[S]):
    """Computes the losses of another method under ``torch.autocast`` to bfloat16; weights and updates stay fp32.

    bfloat16 has the exponent range of fp32, so no loss scaling is needed. Encoding for recommendation stays fp32.
    """

    def __init__(self, method: Method[S]) -> None:
        self._method = method

    def losses(self, batch: Batch[Any], rng: Generator) -> dict[str, Tensor]:
        """The wrapped method's terms, computed in mixed precision, returned as fp32 scalars."""
        with torch.autocast(batch.users.device.type, dtype=torch.bfloat16):
            return {name: value.float() for name, value in self._method.losses(batch, rng).items()}

    def encode(self, source: S, users: Tensor) -> Encoding:
        """Exactly the wrapped method's vectors."""
        return self._method.encode(source, users)

    @property
    def module(self) -> nn.Module:
        """The wrapped method's module, so that its weights keep their names."""
        return self._method.module
