"""An item that the people who met a given one also met: shared by the views that put such items into a history."""

from __future__ import annotations

import torch
from torch import Generator, Tensor

from recsys_cl.core.values import Interactions
from recsys_cl.ops.correlation import correlated
from recsys_cl.ops.ragged import uniform


class Correlated:
    """Draws correlates of items, from the interactions given and nothing else.

    Args:
        interactions: what has been observed for training.
        among: how many of the most correlated items are drawn from.
    """

    def __init__(self, interactions: Interactions, among: int) -> None:
        self.nothing = interactions.shape.items
        table = correlated(interactions, among)
        self.table = torch.cat((table, torch.full_like(table[:1], self.nothing)))  # a hidden item has no correlate
        self.known = (self.table != self.nothing).sum(1)

    def __call__(self, tokens: Tensor, rng: Generator) -> Tensor:
        """For each of ``tokens`` [N] one of its correlates, all equally likely; ``shape.items`` where there is none."""
        drawn = (uniform(tokens.numel(), rng, tokens.device) * self.known[tokens]).long()
        return self.table[tokens, drawn]
