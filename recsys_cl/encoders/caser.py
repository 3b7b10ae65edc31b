"""Caser: convolutions over the newest items as over a picture (Tang & Wang, 2018, arXiv:1809.07426), without user vectors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import torch
import torch.nn.functional as F
from pydantic import Field, PositiveInt
from torch import Generator, Tensor, nn

from recsys_cl.core.values import Encoding, ItemFeatures, Shape
from recsys_cl.encoders._content import content_of, with_content
from recsys_cl.encoders._items import encodings, read
from recsys_cl.ops.dropout import Dropout
from recsys_cl.ops.fresh import linear, normal
from recsys_cl.ops.lookback import taps
from recsys_cl.structures.sequences import Sequences, join


class Caser(nn.Module):
    """States of the last ``window`` items, seen as a picture [window, dim] whose rows before the history are zero.

    Horizontal filters, of every height, look for items in a row and keep where they fit best; vertical ones are weighted
    sums over time. The paper joins a vector of the user to the result; here a user is known by the history alone, and
    one item table reads and answers.

    Args:
        dim: width of items and states.
        window: items looked at (the paper's L).
        horizontal: filters of each height.
        vertical: weighted sums over time.
        dropout: rate on what the filters found.
        features: of the items.
        content: add what the features say to each item's vector.
        rng: initialisation.
    """

    def __init__(
        self,
        shape: Shape,
        rng: Generator,
        dim: PositiveInt = 64,
        window: PositiveInt = 5,
        horizontal: PositiveInt = 16,
        vertical: PositiveInt = 4,
        dropout: Annotated[float, Field(ge=0, lt=1)] = 0.5,
        *,
        features: ItemFeatures | None = None,
        content: bool = False,
    ) -> None:
        super().__init__()
        self.dim = dim
        self.items = normal(shape.items, dim, spread=dim**-0.5, rng=rng)
        self.unknown = nn.Parameter(self.items.new_zeros(dim))  # what a hidden or unknown item is read as
        self.heights = nn.ModuleList(linear(height * dim, horizontal, rng) for height in range(1, window + 1))
        self.sums = normal(vertical, window, spread=window**-0.5, rng=rng)
        self.widen = linear(window * horizontal + vertical * dim, dim, rng)
        self.answer = linear(dim, dim, rng)
        self.drop = Dropout(dropout)
        self.content = content_of(features, dim, rng, wanted=content)

    def forward(self, sources: Sequence[Sequences], users: Tensor, items: Tensor | None = None) -> tuple[Encoding, ...]:  # noqa: ARG002
        """Encode the readouts of each source, [Q, D]. Item rows are the same for all; users are known by their histories."""
        source, table = join(sources), with_content(self.items, self.content)
        window, dim = self.sums.shape[1], self.items.shape[1]
        seen = taps(read(table, self.unknown, source), source.places, list(range(window - 1, -1, -1)))
        picture = seen.index_select(0, source.readout).view(-1, window, dim)
        found = self.drop(torch.cat((self._horizontal(picture), (self.sums @ picture).flatten(1)), 1))
        states = self.answer(F.relu(self.widen(found)))
        return encodings(states, sources, table, items)

    def _horizontal(self, picture: Tensor) -> Tensor:
        """The best fit of each horizontal filter anywhere in the picture, [Q, window * horizontal]."""
        fits = []
        for height, filters in enumerate(self.heights, start=1):
            strips = picture.flatten(1).unfold(1, height * picture.shape[2], picture.shape[2])
            fits.append(F.relu(filters(strips)).amax(1))
        return torch.cat(fits, 1)
