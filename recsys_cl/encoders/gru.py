"""GRU4Rec: a recurrent network along each history (Hidasi et al., 2016, Session-based Recommendations, arXiv:1511.06939)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from pydantic import Field, PositiveInt
from torch import Generator, Tensor, nn

from recsys_cl.core.values import Encoding, ItemFeatures, Shape
from recsys_cl.encoders._content import content_of, with_content
from recsys_cl.encoders._items import encodings, read
from recsys_cl.ops.dropout import Dropout
from recsys_cl.ops.fresh import linear, normal
from recsys_cl.ops.ragged import padded
from recsys_cl.structures.sequences import Sequences, join


class GRU(nn.Module):
    """States of gated recurrent units, mapped to the width of the items by one affine map.

    Only the recurrence pads, at the end of each row, which nothing real comes after.

    Args:
        dim: width of items and of what is answered with.
        width: units of a layer; ``dim`` where not given.
        layers: one on top of the other.
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
        width: PositiveInt | None = None,
        layers: PositiveInt = 1,
        dropout: Annotated[float, Field(ge=0, lt=1)] = 0.2,
        *,
        features: ItemFeatures | None = None,
        content: bool = False,
    ) -> None:
        super().__init__()
        self.dim = dim
        self.items = normal(shape.items, dim, spread=dim**-0.5, rng=rng)
        self.unknown = nn.Parameter(self.items.new_zeros(dim))  # what a hidden or unknown item is read as
        self.units = _units(dim, width or dim, layers, rng)
        self.answer = linear(width or dim, dim, rng)
        self.drop = Dropout(dropout)
        self.content = content_of(features, dim, rng, wanted=content)

    def forward(self, sources: Sequence[Sequences], users: Tensor, items: Tensor | None = None) -> tuple[Encoding, ...]:  # noqa: ARG002
        """Encode the readouts of each source, [Q, D]. Item rows are the same for all; users are known by their histories."""
        source, table = join(sources), with_content(self.items, self.content)
        slots = source.rows * source.longest + source.places
        read_in = self.drop(read(table, self.unknown, source))
        grid, _ = self.units(padded(read_in, slots, source.offsets.numel() - 1, source.longest))
        states = self.answer(grid.flatten(0, 1).index_select(0, slots[source.readout]))
        return encodings(states, sources, table, items)


def _units(dim: int, width: int, layers: int, rng: Generator) -> nn.GRU:
    units = nn.GRU(dim, width, layers, batch_first=True, device="meta").to_empty(device="cpu")
    for name, parameter in units.named_parameters():
        if "bias" in name:
            nn.init.zeros_(parameter)
        else:
            for gate in parameter.chunk(3):  # each gate's matrix for itself, whatever stands beside it
                nn.init.xavier_uniform_(gate, generator=rng)
    return units
