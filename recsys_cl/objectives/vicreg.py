"""VICReg: two encodings agree, every dimension varies, no two dimensions covary (Bardes et al. 2022, arXiv:2105.04906)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Annotated, Any

from annotated_types import Ge
from torch import Tensor

from recsys_cl.core.values import Batch, Encoding
from recsys_cl.objectives._pairing import Between, Pairing, Sides
from recsys_cl.ops.decorrelation import vicreg


class VICReg:
    """Weighted sum of the mean squared error, a hinge that keeps deviations at 1, and the squared covariances (eq. 6).

    Args:
        invariance: weight of the error between the encodings; 25 in the paper.
        variance: weight of the hinge; 25 in the paper.
        covariance: weight of the covariances; 1 in the paper.
        between: see ``info_nce``, as ``layer`` and ``sides``.
        layer: see ``info_nce``.
        sides: see ``info_nce``.

    Relations: ``barlow`` normalises every dimension; here the scale of the vectors matters.
    """

    def __init__(
        self,
        *,
        invariance: Annotated[float, Ge(0)] = 25.0,
        variance: Annotated[float, Ge(0)] = 25.0,
        covariance: Annotated[float, Ge(0)] = 1.0,
        between: Between = "views",
        layer: int = 1,
        sides: Sides = "both",
    ) -> None:
        self._pairing = Pairing(between, layer, sides)
        self.views, self.reads_layers = self._pairing.views, self._pairing.layers
        self._loss = partial(vicreg, invariance=invariance, variance=variance, covariance=covariance)

    def __call__(self, main: Encoding, views: Sequence[Encoding], batch: Batch[Any]) -> Tensor:
        """Sum of the sides' losses."""
        return self._pairing.total(self._loss, main, views, batch)
