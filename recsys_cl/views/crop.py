"""Part of each history: one contiguous stretch of it (CL4SRec: Xie et al., 2022, arXiv:2010.14395, eq. 7)."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from torch import Generator

from recsys_cl.ops.ragged import portion, spans, windows
from recsys_cl.structures.sequences import Sequences


class Crop:
    """Keep ``ratio`` of each history, rounded down but at least one item; every start is equally likely."""

    def __init__(self, ratio: Annotated[float, Field(ge=0, le=1)] = 0.6) -> None:
        self.ratio = ratio

    def __call__(self, source: Sequences, rng: Generator) -> Sequences:
        """Cropped histories, read out at the last item kept."""
        widths = portion(source.lengths, self.ratio).clamp(min=1)
        kept = spans(source.offsets[:-1] + windows(source.lengths, widths, rng), widths)
        return source.picked(kept, widths)
