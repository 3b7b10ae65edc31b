"""Decoupled contrastive learning: InfoNCE whose denominator holds negatives only (Yeh et al. 2021, arXiv:2110.06848)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from torch import Tensor

from recsys_cl.core.values import Batch, Encoding
from recsys_cl.objectives._pairing import Between, Pairing, Sides
from recsys_cl.ops.contrast import decoupled
from recsys_cl.ops.similarity import Similarity, Temperature, checked_temperature


class Decoupled:
    """``-s(a_i, p_i)/tau + log sum_{j != i} exp(s(a_i, p_j)/tau)``, mean over rows, the sides added.

    Relations: ``info_nce`` keeps the positive in the denominator, which weakens the gradient of easy rows. ``debiased`` is
    the other loss called DCL. Arguments are those of ``info_nce``.
    """

    contrasts_rows = True
    below_zero = True

    def __init__(
        self,
        *,
        temperature: Temperature = 0.2,
        similarity: Similarity = "cosine",
        between: Between = "views",
        layer: int = 1,
        sides: Sides = "both",
    ) -> None:
        self._pairing = Pairing(between, layer, sides)
        self.views, self.reads_layers = self._pairing.views, self._pairing.layers
        self._loss = partial(decoupled, temperature=checked_temperature(temperature), similarity=similarity)

    def __call__(self, main: Encoding, views: Sequence[Encoding], batch: Batch[Any]) -> Tensor:
        """Sum of the sides' mean losses."""
        return self._pairing.total(self._loss, main, views, batch)
