"""Which two encodings an objective sets opposite each other, row by row: shared by all that contrast like with like."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from recsys_cl.core.errors import Refused, nearest
from recsys_cl.core.values import Batch, Encoding

Between = Literal["views", "main", "view", "layers", "self"]
"""Who asks and who answers. ``views``: two views (SGL, SimGCL, CL4SRec); ``main``: the main encoding and one view;
``view``: the same two the other way round (LightGCL); ``layers``: the main encoding and one of its own layers (XSimGCL) or
parts, or two of them (NCL); ``self``: the main encoding and itself, which leaves nothing but uniformity (EGCF)."""

Layer = int | str
"""A number counts ``Encoding.layers``; a name is one of ``Encoding.parts``, ``"content/image"`` a part of a part."""

Sides = Literal["both", "users", "items"]
"""Whose rows: the batch's distinct users, its distinct positive items, or both. Sequences have users only."""


@dataclass(frozen=True, slots=True)
class Pairing:
    """Row ``i`` of one encoding and row ``i`` of the other are the same user or the same item, each there once."""

    between: Between = "views"
    layer: Layer = 1  # of Encoding.layers, where 0 is the input table; or a name of Encoding.parts
    sides: Sides = "both"
    base: Layer | None = None  # the layer set opposite to ``layer``; None: the main encoding

    @property
    def views(self) -> int:
        """How many augmented encodings are read."""
        return {"views": 2, "main": 1, "view": 1, "layers": 0, "self": 0}[self.between]

    @property
    def layers(self) -> tuple[Layer, ...]:
        """Which layers and parts of the main encoding are read."""
        return tuple(layer for layer in (self.layer, self.base) if layer is not None) if self.between == "layers" else ()

    def total(
        self, loss: Callable[[Tensor, Tensor], Tensor], main: Encoding, views: Sequence[Encoding], batch: Batch[Any]
    ) -> Tensor:
        """The sides' losses added up, as the graph recommenders do; ``loss`` is given two aligned [N, D].

        A user or item that one of the two encodings says nothing of is left out; where all are, the side counts nothing.
        """
        one, other = self._encodings(main, views)
        terms = []
        if self.sides != "items":
            pair = _aligned(one.users, other.users, "users")
            terms.append(_of_those(_both(one.members, other.members, len(pair[0])), pair, loss))
        if self.sides != "users":
            pair = _aligned(one.items[: batch.positives], other.items[: batch.positives], "items")
            terms.append(_of_those(_both(one.present, other.present, batch.positives), pair, loss))
        return torch.stack(terms).sum()

    def among_all(
        self,
        loss: Callable[[Tensor, Tensor, Tensor], Tensor],
        main: Encoding,
        views: Sequence[Encoding],
        batch: Batch[Any],
        *,
        two_sided: bool = False,
    ) -> Tensor:
        """The same; ``loss`` is given the asking rows [N, D], everyone who may answer [M, D], and which one does, [N]."""
        asking, answering = self._encodings(main, views)
        whole_asking, whole_answering = self._encodings(_everyone(main), [_everyone(view) for view in views])
        ways = [(asking, whole_answering), (answering, whole_asking)][: 1 + two_sided]
        terms = []
        for one, everyone in ways:
            if self.sides != "items":
                terms.append(loss(one.users, everyone.users, batch.users))
            if self.sides != "users":
                positives = _positives(batch)
                terms.append(loss(one.items[: len(positives)], everyone.items, positives))
        return torch.stack(terms).sum() / len(ways)

    def _encodings(self, main: Encoding, views: Sequence[Encoding]) -> tuple[Encoding, Encoding]:
        if len(views) < self.views:
            raise Refused(f"between: '{self.between}' reads {self.views} views, the recipe has {len(views)}")
        if self.between == "views":
            return views[0], views[1]
        if self.between in ("main", "view"):
            return (main, views[0]) if self.between == "main" else (views[0], main)
        if self.between == "self":
            return main, main
        other = layer_of(main, self.layer)
        return (main if self.base is None else layer_of(main, self.base)), other


def layer_of(main: Encoding, index: Layer) -> Encoding:
    """The layer, or part, that ``index`` names."""
    if isinstance(index, str):
        return part_of(main, index)
    if not 0 <= index < len(main.layers):
        raise Refused(f"layer: the encoder gives {len(main.layers)} layers, counted from 0; got {index}")
    return main.layers[index]


def part_of(encoding: Encoding, path: str) -> Encoding:
    """The part ``path`` names, as ``"content"`` or ``"content/image"``."""
    for name in path.split("/"):
        if name not in encoding.parts:
            raise Refused(f"layer: the encoder gives no part '{path}'; {nearest(name, encoding.parts)}")
        encoding = encoding.parts[name]
    return encoding


def modalities_of(encoding: Encoding, path: str) -> Mapping[str, Encoding]:
    """The parts of a part, one a modality."""
    told = part_of(encoding, path).parts
    if not told:
        raise Refused(
            f"encoder: does not tell '{path}' modality by modality, which an objective reads; 'modal' and 'freedom' do"
        )
    return told


def _of_those(kept: Tensor | None, pair: tuple[Tensor, Tensor], loss: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
    """The loss of the rows that are ``kept`` [N]; nothing where none is."""
    asked, answers = pair if kept is None else (pair[0][kept], pair[1][kept])
    return loss(asked, answers) if len(asked) else pair[0].sum() * 0


def _both(one: Tensor | None, other: Tensor | None, count: int) -> Tensor | None:
    """Which of the first ``count`` rows both speak of; None: all."""
    known = [present[:count] for present in (one, other) if present is not None]
    return torch.stack(known).all(0) if known else None


def _aligned(one: Tensor, other: Tensor, side: str) -> tuple[Tensor, Tensor]:
    if len(one) != len(other) or not len(one):
        raise Refused(f"sides: the {side} of the two encodings are not the same rows ({len(one)} and {len(other)} of them)")
    return one, other


def refuse_places(name: str, main: Encoding, batch: Batch[Any]) -> None:
    """Refuse an encoding with a row for each place of a history, for one that reads whose each row is."""
    if len(main.users) != len(batch.users):
        raise Refused(f"objectives: '{name}' needs a row a user, as graphs have, and not one for each place of a history")


def _everyone(encoding: Encoding) -> Encoding:
    if encoding.everyone is None:
        raise Refused("negatives = 'all' needs encodings of all users and items, and this method gives the batch's alone")
    return encoding.everyone


def _positives(batch: Batch[Any]) -> Tensor:
    if batch.items is None:
        raise Refused("sides: a batch that asks for the whole catalogue has no positives of its own; say sides = 'users'")
    return batch.items[: batch.positives]
