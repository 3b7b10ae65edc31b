"""NextItNet: residual blocks of dilated causal convolutions along each history (Yuan et al., 2019, arXiv:1808.05163)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import torch.nn.functional as F
from pydantic import Field, PositiveInt
from torch import Generator, Tensor, nn

from recsys_cl.core.values import Encoding, ItemFeatures, Shape
from recsys_cl.encoders._content import content_of, with_content
from recsys_cl.encoders._items import encodings, read
from recsys_cl.ops.dropout import Dropout
from recsys_cl.ops.fresh import linear, normal
from recsys_cl.ops.lookback import taps
from recsys_cl.ops.norm import LayerNorm
from recsys_cl.structures.sequences import Sequences, join


class CNN(nn.Module):
    """States of stacked convolutions that look back ever further, mapped by one affine map.

    Convolutions run on the flat tokens, and before a history begins they see zeros: there is no padding at all.

    Args:
        dim: width of items, channels and states.
        kernel: items that one convolution looks at.
        dilations: one residual block each: its two convolutions step so far, and twice as far, between those items.
        dropout: rate on the items read; the paper has none.
        features: of the items.
        content: add what the features say to each item's vector.
        rng: initialisation.
    """

    def __init__(
        self,
        shape: Shape,
        rng: Generator,
        dim: PositiveInt = 64,
        kernel: PositiveInt = 3,
        dilations: Annotated[tuple[PositiveInt, ...], Field(min_length=1)] = (1, 4),
        dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0,
        *,
        features: ItemFeatures | None = None,
        content: bool = False,
    ) -> None:
        super().__init__()
        self.dim = dim
        self.items = normal(shape.items, dim, spread=dim**-0.5, rng=rng)
        self.unknown = nn.Parameter(self.items.new_zeros(dim))  # what a hidden or unknown item is read as
        steps = [step for dilation in dilations for step in (dilation, 2 * dilation)]
        self.convolutions = nn.ModuleList(_Convolution(dim, kernel, step, rng) for step in steps)
        self.answer = linear(dim, dim, rng)
        self.drop = Dropout(dropout)
        self.content = content_of(features, dim, rng, wanted=content)

    def forward(self, sources: Sequence[Sequences], users: Tensor, items: Tensor | None = None) -> tuple[Encoding, ...]:  # noqa: ARG002
        """Encode the readouts of each source, [Q, D]. Item rows are the same for all; users are known by their histories."""
        source, table = join(sources), with_content(self.items, self.content)
        place = source.places
        states = self.drop(read(table, self.unknown, source))
        for first, second in zip(self.convolutions[::2], self.convolutions[1::2], strict=True):
            states = states + second(first(states, place), place)
        return encodings(self.answer(states.index_select(0, source.readout)), sources, table, items)


class _Convolution(nn.Module):
    """One dilated causal convolution, normalised and rectified (two make the paper's residual block (b))."""

    def __init__(self, dim: int, kernel: int, step: int, rng: Generator) -> None:
        super().__init__()
        self.back = [step * tap for tap in range(kernel)]
        self.weigh, self.norm = linear(kernel * dim, dim, rng), LayerNorm(dim)

    def forward(self, states: Tensor, place: Tensor) -> Tensor:
        """New states of the tokens, [N, D]."""
        return F.relu(self.norm(self.weigh(taps(states, place, self.back))))
