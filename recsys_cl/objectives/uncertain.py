"""Another objective, whose weight is learned: how sure the model is of it. Kendall et al., 2018, arXiv:1705.07115."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from pydantic import PositiveInt
from torch import Generator, Tensor, nn

from recsys_cl.core.build import build
from recsys_cl.core.errors import Refused
from recsys_cl.core.protocols import Objective
from recsys_cl.core.settings import Component
from recsys_cl.core.values import Batch, Encoding, Interactions, ItemFeatures, Shape
from recsys_cl.objectives._wrapped import hand_on, says


class Uncertain(nn.Module):
    """``exp(-s) loss + s`` with one learned number ``s``, 0 at first: the log variance of equation 7, times 2.

    At its best ``exp(s)`` is the loss itself, so every term ends up counting about 1. The value may be negative, the loss not:
    there is then no best.

    Args:
        of: the objective, with its own settings.
    """

    def __init__(
        self,
        *,
        shape: Shape,
        interactions: Interactions,
        rng: Generator,
        dim: PositiveInt,
        of: Component,
        features: ItemFeatures | None = None,
    ) -> None:
        super().__init__()
        offered = {"shape": shape, "interactions": interactions, "rng": rng, "dim": dim, "features": features}
        self.of: Objective = build("objectives", of, "objectives.of", **offered)
        if says(self.of, "below_zero"):
            raise Refused(f"objectives.of: '{of.use}' can fall below 0, where no weight is the best; give it a weight instead")
        self.views, self.reads_negatives = self.of.views, getattr(self.of, "reads_negatives", 0)
        hand_on(self, self.of)
        self.log_variance = nn.Parameter(torch.zeros(()))

    def forward(self, main: Encoding, views: Sequence[Encoding], batch: Batch[Any]) -> Tensor:
        """The weighted loss of the batch."""
        return (-self.log_variance).exp() * self.of(main, views, batch) + self.log_variance
