"""Each history with correlated items put in (CoSeRec: Liu et al., 2021, arXiv:2108.06479)."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Annotated

import torch
from pydantic import Field, PositiveInt
from torch import Generator

from recsys_cl.core.values import Interactions
from recsys_cl.ops.ragged import marks, offsets_of, owners, portion, spans
from recsys_cl.structures.sequences import Sequences
from recsys_cl.views._correlated import Correlated


class Insert:
    """At ``ratio`` of the positions of each history, rounded down but at least one, put a correlated item before the item.

    It is one of the ``among`` items most correlated with it in the training interactions; before an item that nobody met
    together with another, nothing is put. Of what grows too long, the newest ``max_length`` items are kept. What is put in
    has the time of the item it stands before.
    """

    def __init__(
        self,
        interactions: Interactions,
        ratio: Annotated[float, Field(ge=0, le=1)] = 0.4,
        among: PositiveInt = 1,
        max_length: PositiveInt = 50,
    ) -> None:
        self.ratio = ratio
        self.max_length = max_length
        self.correlate = Correlated(interactions, among)

    def __call__(self, source: Sequences, rng: Generator) -> Sequences:
        """Longer histories, read out at the last position."""
        counts = portion(source.lengths, self.ratio).clamp(min=1 if self.ratio else 0)
        chosen = marks(source.rows, source.offsets, counts, rng)
        other = self.correlate(source.tokens, rng)
        copies = 1 + (chosen & (other < source.shape.items)).long()  # an item's place, and one before it where asked for
        begins = offsets_of(copies)
        origin = owners(copies)
        first = torch.arange(origin.numel(), device=origin.device) == begins[origin]
        grown = source.picked(origin, copies)
        tokens = torch.where(first & (copies[origin] == 2), other[origin], grown.tokens)
        ends = begins[source.offsets]
        kept = ends.diff().clamp(max=self.max_length)
        longest = min(self.max_length, source.longest + math.ceil(self.ratio * source.longest))
        return replace(grown, tokens=tokens, longest=longest).picked(spans(ends[1:] - kept, kept), kept)
