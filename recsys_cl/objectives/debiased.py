"""Debiased contrastive learning: corrects for hidden positives among the negatives (Chuang et al. 2020, arXiv:2007.00224)."""

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


class Debiased:
    """InfoNCE with ``N * max((mean_n e^(s/tau) - prior e^(s(p)/tau)) / (1 - prior), e^(-1/tau))`` as negatives (section 4).

    Args:
        temperature: divides the similarities.
        prior: tau+, the probability that a negative is of the anchor's own kind; 0 is ``info_nce``.
        similarity: cosine there; the floor belongs to it and is 0 otherwise.
        between: see ``info_nce``, as ``layer`` and ``sides``.
        layer: see ``info_nce``.
        sides: see ``info_nce``.

    Relations: ``hard_weighted`` with hardness 0; ``decoupled`` is the other loss called DCL.
    """

    contrasts_rows = True

    def __init__(
        self,
        *,
        temperature: Temperature = 0.2,
        prior: Annotated[float, Ge(0), Lt(1)] = 0.1,
        similarity: Similarity = "cosine",
        between: Between = "views",
        layer: int = 1,
        sides: Sides = "both",
    ) -> None:
        self._pairing = Pairing(between, layer, sides)
        self.views, self.reads_layers = self._pairing.views, self._pairing.layers
        temperature = checked_temperature(temperature)
        self._loss = partial(hard_weighted, temperature=temperature, hardness=0.0, prior=prior, similarity=similarity)

    def __call__(self, main: Encoding, views: Sequence[Encoding], batch: Batch[Any]) -> Tensor:
        """Sum of the sides' mean losses."""
        return self._pairing.total(self._loss, main, views, batch)
