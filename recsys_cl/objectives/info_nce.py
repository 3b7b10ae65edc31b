"""InfoNCE between two encodings of the same users and items: what self-supervised recommenders add to their main loss."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from torch import Tensor

from recsys_cl.core.errors import Refused
from recsys_cl.core.values import Batch, Encoding
from recsys_cl.ops.contrast import info_nce
from recsys_cl.ops.similarity import Similarity, Temperature, checked_temperature

_VIEWS = {"views": 2, "main": 1, "layers": 0}


class InfoNCE:
    """The batch's distinct users against each other, plus its distinct positive items against each other.

    Each side is a mean over its rows and the two sides are added, as in SGL (Wu et al. 2021, eq. 10 and 11; its code sums
    over the batch beside a summed BPR, which is the same balance) and in SimGCL and XSimGCL (Yu et al. 2022, 2023).

    Args:
        temperature: divides the similarities.
        similarity: cosine in all the methods named above.
        between: ``views``: two views (SGL, SimGCL, CL4SRec); ``main``: the main encoding and one view;
            ``layers``: the main encoding and its own layer ``layer`` (XSimGCL), no view needed.
        layer: which of ``Encoding.layers``; 0 is the input table.
        sides: ``both``, or only ``users`` (sequences) or ``items``.
        two_sided: also ask in the other direction and take the mean.

    Relations: ``softmax`` contrasts users with items; this contrasts users with users and items with items.
    """

    def __init__(
        self,
        *,
        temperature: Temperature = 0.2,
        similarity: Similarity = "cosine",
        between: Literal["views", "main", "layers"] = "views",
        layer: int = 1,
        sides: Literal["both", "users", "items"] = "both",
        two_sided: bool = False,
    ) -> None:
        self.temperature = checked_temperature(temperature)
        self.similarity = similarity
        self.between = between
        self.layer = layer
        self.sides = sides
        self.two_sided = two_sided
        self.views = _VIEWS[between]

    def __call__(self, main: Encoding, views: Sequence[Encoding], batch: Batch[Any]) -> Tensor:
        """Sum of the sides' mean losses."""
        one, other = self._pair(main, views)
        terms = []
        if self.sides != "items":
            terms.append(self._contrast(one.users, other.users, "users"))
        if self.sides != "users":
            count = batch.positives
            terms.append(self._contrast(one.items[:count], other.items[:count], "items"))
        return sum(terms[1:], start=terms[0])

    def _pair(self, main: Encoding, views: Sequence[Encoding]) -> tuple[Encoding, Encoding]:
        if len(views) < self.views:
            raise Refused(f"info_nce: between = '{self.between}' reads {self.views} views, the recipe has {len(views)}")
        if self.between == "views":
            return views[0], views[1]
        if self.between == "main":
            return main, views[0]
        if not 0 <= self.layer < len(main.layers):
            raise Refused(f"info_nce.layer: the encoder has layers 0 to {len(main.layers) - 1}, got {self.layer}")
        return main, main.layers[self.layer]

    def _contrast(self, anchors: Tensor, positives: Tensor, side: str) -> Tensor:
        if len(anchors) != len(positives) or not len(anchors):
            raise Refused(
                f"info_nce.sides: the {side} of the two encodings are not the same rows ({len(anchors)} and {len(positives)})"
            )
        return info_nce(anchors, positives, temperature=self.temperature, similarity=self.similarity, two_sided=self.two_sided)
