"""The items' content as vectors: a tower for each modality, and what fuses those that an item has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

import torch
from torch import Generator, Tensor, nn

from recsys_cl.core.errors import Refused
from recsys_cl.core.values import Encoding, Interactions, ItemFeatures, Modality, Shape
from recsys_cl.encoders._pixels import Pixels
from recsys_cl.encoders._words import Words
from recsys_cl.ops.fresh import linear, normal

Fusion = Literal["sum", "gated", "attention"]
"""Of the modalities an item has: their ``sum``; the same after each is ``gated``, coordinate by coordinate, by what it says
itself (Arevalo et al., 2017, arXiv:1702.01992); or their mean by ``attention``, whose weights add up to 1."""


def learned(interactions: Interactions | None, shape: Shape) -> Tensor:
    """Items [I] bool that somebody had met when the model was trained, so that a vector of their own was learned.

    It is kept with the weights: what was first met afterwards has a row, but nothing was learned of it.
    """
    everything = torch.ones(shape.items, dtype=torch.bool)
    return everything if interactions is None else torch.bincount(interactions.items, minlength=shape.items) > 0


class Told(NamedTuple):
    """What one modality tells of every item."""

    name: str
    states: Tensor  # [I, D]; 0 where it tells nothing
    present: Tensor  # [I] bool


class Towers(nn.Module):
    """One affine map a modality, or one of two layers with ``hidden`` units between.

    Pixels and words are read by a convolutional network.
    Modalities stand in the order of names.

    Raises:
        Refused: there are no features to make them for.
    """

    def __init__(self, features: ItemFeatures | None, dim: int, rng: Generator, hidden: int = 0) -> None:
        super().__init__()
        if features is None:
            raise Refused("encoder: multimodal encoders read features of the items; declare them under [prepare.features]")
        self.names = tuple(name for name, _ in features)
        self.towers = nn.ModuleList(_tower(modality, hidden, dim, rng) for _, modality in features)

    def forward(self, features: ItemFeatures) -> list[Told]:
        """What each modality of ``features`` tells; they are those the towers were made for."""
        if (given := tuple(name for name, _ in features)) != self.names:
            raise Refused(f"features: the encoder was made for {', '.join(self.names)}, not for {', '.join(given)}")
        return [
            Told(name, where_present(_read(tower, modality.values), modality.present), modality.present)
            for tower, (name, modality) in zip(self.towers, features, strict=True)
        ]


class Fuse(nn.Module):
    """One vector an item from what its modalities tell; 0 where none tells anything, and an absent one changes nothing."""

    def __init__(self, fusion: Fusion, dim: int, rng: Generator) -> None:
        super().__init__()
        self.fusion = fusion
        self.read = None if fusion == "sum" else linear(dim, dim, rng)
        self.query = normal(dim, spread=dim**-0.5, rng=rng) if fusion == "attention" else None

    def forward(self, told: Sequence[Told]) -> Tensor:
        """Vectors [I, D]."""
        if self.read is None:
            return total([each.states for each in told])
        states = torch.stack([each.states for each in told])
        read: Tensor = self.read(states)
        if self.query is None:
            return (read.sigmoid() * states).sum(0)
        present = torch.stack([each.present for each in told])
        logits = (read.tanh() @ self.query).masked_fill(~present, -1e30)  # finite: an item may have nothing
        return (logits.softmax(0)[..., None] * states).sum(0)


def where_present(rows: Tensor, present: Tensor) -> Tensor:
    """``rows`` [I, D] where ``present`` [I], else 0; as they are where all are present, which costs nothing."""
    return rows if bool(present.all()) else torch.where(present[:, None], rows, 0)


def total(rows: Sequence[Tensor]) -> Tensor:
    """The sum of one or more [I, D], without a copy of them all."""
    summed = rows[0]
    for each in rows[1:]:
        summed = summed + each
    return summed


class Content(nn.Module):
    """What the items' features say of each, to be added to a vector of its own: towers, fused by their sum.

    It keeps the features beside its weights, so that a saved model reads histories without the data it was trained on.

    Raises:
        Refused: there are no features.
    """

    def __init__(self, features: ItemFeatures | None, dim: int, rng: Generator) -> None:
        super().__init__()
        if features is None:
            raise Refused("encoder.content: reads features of the items; declare them under [prepare.features]")
        self.towers, self.fuse = Towers(features, dim, rng), Fuse("sum", dim, rng)
        for number, (_, modality) in enumerate(features):
            self.register_buffer(f"values_{number:03}", modality.values)
            self.register_buffer(f"present_{number:03}", modality.present)
            self.register_buffer(f"shape_{number:03}", torch.tensor(modality.shape, dtype=torch.int64))

    def forward(self) -> Tensor:
        """Vectors of all items [I, D]; 0 for one of which nothing is known."""
        kept = {name: self._modality(number) for number, name in enumerate(self.towers.names)}
        said: Tensor = self.fuse(self.towers(ItemFeatures(kept)))
        return said

    def _modality(self, number: int) -> Modality:
        return _kept(*(self.get_buffer(f"{what}_{number:03}") for what in _KEPT))


def content_of(features: ItemFeatures | None, dim: int, rng: Generator, *, wanted: bool) -> Content | None:
    """What is added to the items' own vectors; None where that is not wanted."""
    return Content(features, dim, rng) if wanted else None


def with_content(items: Tensor, content: Content | None) -> Tensor:
    """The vectors ``items`` [I, D] and what their content says."""
    return items if content is None else items + content()


def kept_features(weights: Mapping[str, Tensor]) -> ItemFeatures | None:
    """The features that a model's `Content` kept among its ``weights``, in their order; None: it kept none."""
    kept = {name[-3:]: name for name in weights if ".content.values_" in name}
    modalities = {at: _kept(*(weights[name.replace("values_", f"{what}_")] for what in _KEPT)) for at, name in kept.items()}
    return ItemFeatures(modalities) if modalities else None


_KEPT = ("values", "present", "shape")


def _kept(values: Tensor, present: Tensor, shape: Tensor) -> Modality:
    return Modality(values, present, tuple(shape.tolist()))


def content_part(content: Tensor, told: Sequence[Told], items: Tensor | None) -> Encoding:
    """The part ``content`` of an encoding, and of it one part a modality: items only, each with a mask of who has it."""
    parts = {each.name: item_part(each.states, each.present, items) for each in told}
    known = torch.stack([each.present for each in told]).any(0)
    whole = item_part(content, known, items)
    return Encoding(whole.users, whole.items, parts=parts, present=whole.present)


def item_part(rows: Tensor, present: Tensor, items: Tensor | None) -> Encoding:
    """An encoding of ``items`` [M] alone, or of the whole catalogue, from ``rows`` [I, D]."""
    if items is not None:
        rows, present = rows.index_select(0, items), present[items]
    return Encoding(rows[:0], rows, present=present)


def _tower(modality: Modality, hidden: int, dim: int, rng: Generator) -> nn.Module:
    if modality.words:
        return Words(modality.words, dim, rng)
    if modality.shape:
        return Pixels(modality.shape, dim, rng)
    width = modality.values.shape[1]
    if not hidden:
        return linear(width, dim, rng)
    return nn.Sequential(linear(width, hidden, rng), nn.LeakyReLU(), linear(hidden, dim, rng))


def _read(tower: nn.Module, values: Tensor) -> Tensor:
    states: Tensor = tower(values.to(next(tower.parameters()).dtype) if not isinstance(tower, Words) else values)
    return states
