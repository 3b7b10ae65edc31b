"""The source as it is, of any family: for methods whose second look differs elsewhere (BUIR's target, SelfCF's dropout)."""

from __future__ import annotations

from typing import TypeVar

from torch import Generator

S = TypeVar("S")


class Plain:
    """Nothing changes; unlike ``identity``, not even where histories are read out."""

    def __call__(self, source: S, rng: Generator) -> S:  # noqa: ARG002
        """The same object, so that an encoder can share all work."""
        return source
