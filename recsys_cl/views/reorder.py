"""Each history with one stretch of it shuffled (CL4SRec: Xie et al., 2022, arXiv:2010.14395, eq. 9)."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

import torch
from pydantic import Field
from torch import Generator

from recsys_cl.ops.ragged import portion, uniform, windows
from recsys_cl.structures.sequences import Sequences


class Reorder:
    """Shuffle a contiguous ``ratio`` of each history, rounded down; every start and every order is equally likely."""

    def __init__(self, ratio: Annotated[float, Field(ge=0, le=1)] = 0.6) -> None:
        self.ratio = ratio

    def __call__(self, source: Sequences, rng: Generator) -> Sequences:
        """The same histories, locally out of order, read out at the last position."""
        widths = portion(source.lengths, self.ratio)
        first = source.offsets[:-1] + windows(source.lengths, widths, rng)
        rows, place = source.rows, torch.arange(source.tokens.numel(), device=source.tokens.device)
        inside = (place >= first[rows]) & (place < (first + widths)[rows])
        # Tokens of the stretch draw their keys between its first position and the next one: they mix, and with nothing else.
        key = torch.where(inside, first[rows] + uniform(place.numel(), rng, place.device) / 2, place.double())
        return replace(source, tokens=source.tokens[torch.argsort(key, stable=True)]).at_the_end()
