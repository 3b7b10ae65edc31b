"""Contrast with hard negatives weighted up and false ones corrected for (Robinson et al. 2021, arXiv:2010.04592)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Annotated, Any

from annotated_types import Ge, Lt
from torch import Tensor

from recsys_cl.core.values import Batch, Encoding
from recsys_cl.objectives._pairing import Between, Pairing, Sides
from recsys_cl.ops.contrast import hard_weighted
from recsys_cl.ops.similarity import Similarity, Temperature, checked_temperature


class HardWeighted:
    """InfoNCE whose negatives weigh as ``exp(hardness * s / tau)``, less the share of hidden positives among them (section 3).

    Args:
        temperature: divides the similarities.
        hardness: beta; 0 weighs all negatives alike.
        prior: tau+, the probability that a negative is of the anchor's own kind; 0 corrects nothing.
        similarity: cosine there; only then is the corrected mean floored at its smallest possible value, exp(-1/tau).
        between: see ``info_nce``, as ``layer`` and ``sides``.
        layer: see ``info_nce``.
        sides: see ``info_nce``.

    Relations: hardness 0 is ``debiased``; with prior 0 as well it is ``info_nce``.
    """

    contrasts_rows = True

    def __init__(
        self,
        *,
        temperature: Temperature = 0.2,
        hardness: Annotated[float, Ge(0)] = 1.0,
        prior: Annotated[float, Ge(0), Lt(1)] = 0.0,
        similarity: Similarity = "cosine",
        between: Between = "views",
        layer: int = 1,
        sides: Sides = "both",
    ) -> None:
        self._pairing = Pairing(between, layer, sides)
        self.views, self.reads_layers = self._pairing.views, self._pairing.layers
        self._loss = partial(
            hard_weighted,
            temperature=checked_temperature(temperature),
            hardness=hardness,
            prior=prior,
            similarity=similarity,
        )

    def __call__(self, main: Encoding, views: Sequence[Encoding], batch: Batch[Any]) -> Tensor:
        """Sum of the sides' mean losses."""
        return self._pairing.total(self._loss, main, views, batch)
