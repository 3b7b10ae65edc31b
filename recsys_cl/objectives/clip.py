"""CLIP's contrast: both directions, the temperature learned. Radford et al., 2021, arXiv:2103.00020, section 2.3."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Annotated, Any

import torch
from annotated_types import Ge
from torch import Tensor, nn
from torch.nn.functional import normalize

from recsys_cl.core.values import Batch, Encoding
from recsys_cl.objectives._pairing import Between, Layer, Pairing, Sides
from recsys_cl.ops.contrast import info_nce
from recsys_cl.ops.similarity import checked_temperature

_STEEPEST = 100.0
"""The largest factor of the similarities, as there: beyond it training becomes unstable."""


class Clip(nn.Module):
    """Two-sided InfoNCE of cosines times a learned factor, ``exp(s)``, which begins at 1 / temperature and stays below 100.

    Args:
        temperature: the first one, at least 0.01, where the factor is 100.
        between, layer, base, sides: which encodings are opposite each other, as of ``info_nce``.

    Relations: ``info_nce`` with ``two_sided = true`` keeps the temperature it is given.
    """

    def __init__(
        self,
        *,
        temperature: Annotated[float, Ge(1 / _STEEPEST)] = 0.07,
        between: Between = "layers",
        layer: Layer = "content",
        base: Layer | None = "id",
        sides: Sides = "items",
    ) -> None:
        super().__init__()
        self.pairing = Pairing(between, layer, sides, base)
        self.views, self.reads_layers = self.pairing.views, self.pairing.layers
        self.factor = nn.Parameter(torch.tensor(-math.log(checked_temperature(temperature))))

    def forward(self, main: Encoding, views: Sequence[Encoding], batch: Batch[Any]) -> Tensor:
        """Sum of the sides' mean losses."""
        with torch.no_grad():  # a factor cut off in the graph would have no gradient, and stay where it is for ever
            self.factor.clamp_(max=math.log(_STEEPEST))
        return self.pairing.total(self._loss, main, views, batch)

    def _loss(self, one: Tensor, other: Tensor) -> Tensor:
        factor = self.factor.exp()
        return info_nce(
            normalize(one, dim=-1) * factor, normalize(other, dim=-1), temperature=1.0, similarity="dot", two_sided=True
        )
