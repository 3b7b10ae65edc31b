"""Each history with some items hidden (CL4SRec: Xie et al., 2022, arXiv:2010.14395, eq. 8)."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

from pydantic import Field
from torch import Generator

from recsys_cl.ops.ragged import marks, portion
from recsys_cl.structures.sequences import Sequences


class Mask:
    """Hide ``ratio`` of each history, rounded down; every choice of positions is equally likely. A ratio of 1 hides all."""

    def __init__(self, ratio: Annotated[float, Field(ge=0, le=1)] = 0.3) -> None:
        self.ratio = ratio

    def __call__(self, source: Sequences, rng: Generator) -> Sequences:
        """The same histories with the hidden items replaced by ``shape.items``, read out at the last position."""
        hidden = marks(source.rows, source.offsets, portion(source.lengths, self.ratio), rng)
        return replace(source, tokens=source.tokens.masked_fill(hidden, source.shape.items)).at_the_end()
