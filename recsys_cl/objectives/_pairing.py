"""Which two encodings an objective sets opposite each other, row by row: shared by all that contrast like with like."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from recsys_cl.core.errors import Refused
from recsys_cl.core.values import Batch, Encoding

Between = Literal["views", "main", "layers"]
"""``views``: two views (SGL, SimGCL, CL4SRec); ``main``: the main encoding and one view; ``layers``: the main encoding
and one of its own layers (XSimGCL), or two layers (NCL), which need no view."""

Sides = Literal["both", "users", "items"]
"""Whose rows: the batch's distinct users, its distinct positive items, or both. Sequences have users only."""


@dataclass(frozen=True, slots=True)
class Pairing:
    """Row ``i`` of one encoding and row ``i`` of the other are the same user or the same item, each there once."""

    between: Between = "views"
    layer: int = 1  # of Encoding.layers, where 0 is the input table
    sides: Sides = "both"
    base: int | None = None  # the layer set opposite to ``layer``; None: the main encoding

    @property
    def views(self) -> int:
        """How many augmented encodings are read."""
        return {"views": 2, "main": 1, "layers": 0}[self.between]

    def total(
        self, loss: Callable[[Tensor, Tensor], Tensor], main: Encoding, views: Sequence[Encoding], batch: Batch[Any]
    ) -> Tensor:
        """The sides' losses added up, as the graph recommenders do; ``loss`` is given two aligned [N, D]."""
        one, other = self._encodings(main, views)
        terms = []
        if self.sides != "items":
            terms.append(loss(*_aligned(one.users, other.users, "users")))
        if self.sides != "users":
            terms.append(loss(*_aligned(one.items[: batch.positives], other.items[: batch.positives], "items")))
        return torch.stack(terms).sum()

    def _encodings(self, main: Encoding, views: Sequence[Encoding]) -> tuple[Encoding, Encoding]:
        if len(views) < self.views:
            raise Refused(f"between: '{self.between}' reads {self.views} views, the recipe has {len(views)}")
        if self.between == "views":
            return views[0], views[1]
        if self.between == "main":
            return main, views[0]
        other = self._layer(main, self.layer)
        return (main if self.base is None else self._layer(main, self.base)), other

    def _layer(self, main: Encoding, index: int) -> Encoding:
        if not 0 <= index < len(main.layers):
            raise Refused(f"layer: the encoder gives {len(main.layers)} layers, counted from 0; got {index}")
        return main.layers[index]


def _aligned(one: Tensor, other: Tensor, side: str) -> tuple[Tensor, Tensor]:
    if len(one) != len(other) or not len(one):
        raise Refused(f"sides: the {side} of the two encodings are not the same rows ({len(one)} and {len(other)} of them)")
    return one, other
