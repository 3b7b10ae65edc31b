"""Each history with some items exchanged for correlated ones (CoSeRec: Liu et al., 2021, arXiv:2108.06479)."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

import torch
from pydantic import Field, PositiveInt
from torch import Generator

from recsys_cl.core.values import Interactions
from recsys_cl.ops.ragged import marks, portion
from recsys_cl.structures.sequences import Sequences
from recsys_cl.views._correlated import Correlated


class Substitute:
    """Exchange ``ratio`` of each history, rounded down but at least one item; every choice of positions is equally likely.

    An item comes as one of the ``among`` items most correlated with it in the training interactions; one that nobody met
    together with another stays.
    """

    def __init__(
        self, interactions: Interactions, ratio: Annotated[float, Field(ge=0, le=1)] = 0.1, among: PositiveInt = 1
    ) -> None:
        self.ratio = ratio
        self.correlate = Correlated(interactions, among)

    def __call__(self, source: Sequences, rng: Generator) -> Sequences:
        """The same histories with items exchanged, read out at the last position."""
        counts = portion(source.lengths, self.ratio).clamp(min=1 if self.ratio else 0)
        chosen = marks(source.rows, source.offsets, counts, rng)
        other = self.correlate(source.tokens, rng)
        exchanged = chosen & (other < source.shape.items)
        return replace(source, tokens=torch.where(exchanged, other, source.tokens)).at_the_end()
