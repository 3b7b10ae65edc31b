"""InfoNCE between two encodings of the same users and items: what self-supervised recommenders add to their main loss."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, Literal

from torch import Tensor

from recsys_cl.core.errors import Refused
from recsys_cl.core.values import Batch, Encoding
from recsys_cl.objectives._pairing import Between, Layer, Pairing, Sides
from recsys_cl.ops.contrast import info_nce
from recsys_cl.ops.similarity import Similarity, Temperature, checked_temperature


class InfoNCE:
    """The batch's distinct users against each other, plus its distinct positive items against each other.

    Each side is a mean over its rows and the two sides are added, as in SGL (Wu et al. 2021, section 3.2; its code sums
    over the batch beside a summed BPR, which is the same balance) and in SimGCL and XSimGCL (Yu et al. 2022, 2023).

    Args:
        temperature: divides the similarities.
        similarity: cosine in all the methods named above.
        between: which two encodings; see ``Between``.
        layer: which of ``Encoding.layers`` when ``between = "layers"``; 0 is the input table, a name one of its parts.
        base: the layer opposite to it, 0 and 2 in NCL (Lin et al. 2022, arXiv:2202.06200); none: the main encoding.
        sides: ``both``, or only ``users`` (sequences) or ``items``.
        two_sided: also ask in the other direction and take the mean.
        negatives: the ``batch``'s other rows, or ``all`` users and all items (SGL as its paper writes it; LightGCL). No more
            than a block of those logits is ever held; the encoder then computes all rows in every step.

    Relations: ``softmax`` contrasts users with items; this contrasts users with users and items with items.
    """

    def __init__(
        self,
        *,
        temperature: Temperature = 0.2,
        similarity: Similarity = "cosine",
        between: Between = "views",
        layer: Layer = 1,
        base: Layer | None = None,
        sides: Sides = "both",
        two_sided: bool = False,
        negatives: Literal["batch", "all"] = "batch",
    ) -> None:
        if negatives == "all" and (isinstance(layer, str) or isinstance(base, str)):
            raise Refused("negatives: 'all' counts layers; parts of an encoding, which items may lack, take the 'batch'")
        self._pairing = Pairing(between, layer, sides, base)
        self.views, self.reads_layers = self._pairing.views, self._pairing.layers
        temperature = checked_temperature(temperature)
        self._loss = partial(info_nce, temperature=temperature, similarity=similarity)
        self._two_sided = two_sided
        self.everyone = negatives == "all"
        self.contrasts_rows = not self.everyone

    def __call__(self, main: Encoding, views: Sequence[Encoding], batch: Batch[Any]) -> Tensor:
        """Sum of the sides' mean losses."""
        if self.everyone:
            return self._pairing.among_all(self._among, main, views, batch, two_sided=self._two_sided)
        return self._pairing.total(partial(self._loss, two_sided=self._two_sided), main, views, batch)

    def _among(self, asking: Tensor, everyone: Tensor, rows: Tensor) -> Tensor:
        return self._loss(asking, everyone, rows=rows)
