"""Another view for each history: one of several, drawn anew each time (CL4SRec: Xie et al., 2022, arXiv:2010.14395, alg. 1)."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Generator, Tensor

from recsys_cl.core.protocols import View
from recsys_cl.core.values import Interactions, Shape
from recsys_cl.ops.ragged import spans, uniform
from recsys_cl.structures.sequences import Sequences, join
from recsys_cl.views._several import Several, several


class OneOf:
    """Draw, for each history on its own, which of the views ``of`` alters it; all are equally likely."""

    def __init__(self, shape: Shape, interactions: Interactions, of: Several) -> None:
        self.views: list[View[Sequences]] = several(of, shape, interactions, Sequences)

    def __call__(self, source: Sequences, rng: Generator) -> Sequences:
        """Every history under its own view, in the order given, read out at the last position."""
        altered = join([view(source, rng) for view in self.views])
        count = source.offsets.numel() - 1
        drawn = (uniform(count, rng, source.tokens.device) * len(self.views)).long()
        return _select(altered, drawn * count + torch.arange(count, device=drawn.device))


def _select(source: Sequences, rows: Tensor) -> Sequences:
    lengths = source.lengths[rows]
    users = None if source.users is None else source.users[rows]
    return replace(source.picked(spans(source.offsets[rows], lengths), lengths), users=users)
