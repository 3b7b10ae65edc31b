"""Barlow Twins: two encodings of a thing correlate dimension by dimension and not across (Zbontar et al. 2021)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Annotated, Any

from annotated_types import Ge
from torch import Tensor

from recsys_cl.core.values import Batch, Encoding
from recsys_cl.objectives._pairing import Between, Pairing, Sides
from recsys_cl.ops.decorrelation import barlow_twins


class Barlow:
    """``sum_d (1 - C_dd)^2 + redundancy sum_{d != e} C_de^2`` of the cross-correlation of two encodings (arXiv:2103.03230).

    Args:
        redundancy: lambda, 0.005 in the paper.
        between: see ``info_nce``, as ``layer`` and ``sides``.
        layer: see ``info_nce``.
        sides: see ``info_nce``.

    Relations: no negatives, unlike ``info_nce``; ``vicreg`` keeps variance up by a hinge instead of by normalising.
    """

    def __init__(
        self,
        *,
        redundancy: Annotated[float, Ge(0)] = 0.005,
        between: Between = "views",
        layer: int = 1,
        sides: Sides = "both",
    ) -> None:
        self._pairing = Pairing(between, layer, sides)
        self.views, self.reads_layers = self._pairing.views, self._pairing.layers
        self._loss = partial(barlow_twins, redundancy=redundancy)

    def __call__(self, main: Encoding, views: Sequence[Encoding], batch: Batch[Any]) -> Tensor:
        """Sum of the sides' losses."""
        return self._pairing.total(self._loss, main, views, batch)
