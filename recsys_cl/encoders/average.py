"""The mean of a history, the newest items weighing most: what an encoder of sequences has to beat."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import torch
from pydantic import Field, PositiveInt
from torch import Generator, Tensor, nn

from recsys_cl.core.values import Encoding, ItemFeatures, Shape
from recsys_cl.encoders._content import content_of, with_content
from recsys_cl.encoders._items import encodings, read
from recsys_cl.ops.dropout import Dropout
from recsys_cl.ops.fresh import linear, normal
from recsys_cl.ops.ragged import padded
from recsys_cl.structures.sequences import Sequences, join

Decay = Annotated[float, Field(gt=0, le=1)]


class Average(nn.Module):
    """``W sum_s decay^s e[t - s] / sum_s decay^s``: the mean of the item vectors so far, mapped by one affine map.

    With the map, "who met i meets j" differs from "who met j meets i"; a decay of 1 is the plain mean (the history part of
    FISM, Kabbur et al., 2013, doi:10.1145/2487575.2487589), and near 0 only the newest item counts (factorised Markov
    chains, Rendle et al., 2010, doi:10.1145/1772690.1772773).

    Args:
        dim: width of items and states.
        decay: weight of an item relative to the one after it, in (0, 1]; or several, of means that lie side by side, so that
            the newest item and the whole history are mapped each on its own.
        dropout: rate on the items read.
        features: of the items.
        content: add what the features say to each item's vector.
        rng: initialisation.
    """

    def __init__(
        self,
        shape: Shape,
        rng: Generator,
        dim: PositiveInt = 64,
        decay: Decay | Annotated[tuple[Decay, ...], Field(min_length=1)] = 0.7,
        dropout: Annotated[float, Field(ge=0, lt=1)] = 0.2,
        *,
        features: ItemFeatures | None = None,
        content: bool = False,
    ) -> None:
        super().__init__()
        self.dim = dim
        self.items = normal(shape.items, dim, spread=dim**-0.5, rng=rng)
        self.unknown = nn.Parameter(self.items.new_zeros(dim))  # what a hidden or unknown item is read as
        self.decays = decay if isinstance(decay, tuple) else (decay,)
        self.answer = linear(len(self.decays) * dim, dim, rng)
        self.drop = Dropout(dropout)
        self.content = content_of(features, dim, rng, wanted=content)

    def forward(self, sources: Sequence[Sequences], users: Tensor, items: Tensor | None = None) -> tuple[Encoding, ...]:  # noqa: ARG002
        """Encode the readouts of each source, [Q, D]. Item rows are the same for all; users are known by their histories."""
        source, table = join(sources), with_content(self.items, self.content)
        slots = source.rows * source.longest + source.places
        vectors = self.drop(read(table, self.unknown, source))
        grid = padded(vectors, slots, source.offsets.numel() - 1, source.longest)
        means = [
            (weights.to(grid) @ grid).flatten(0, 1).index_select(0, slots[source.readout]) for weights in self._weights(grid)
        ]
        return encodings(self.answer(torch.cat(means, 1)), sources, table, items)

    def _weights(self, grid: Tensor) -> list[Tensor]:
        """For each decay what each place (row) takes of each place up to it (column), [L, L]; a row's sum is one."""
        place = torch.arange(grid.shape[1], device=grid.device, dtype=torch.float64)
        back = place[:, None] - place
        weights = [torch.where(back < 0, 0.0, decay ** back.clamp(min=0)) for decay in self.decays]
        return [each / each.sum(1, keepdim=True) for each in weights]
