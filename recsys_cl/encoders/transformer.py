"""SASRec: causal self-attention over a history; the table that reads the history is also what answers.

Kang & McAuley, 2018, Self-Attentive Sequential Recommendation, arXiv:1808.09781, with layer norm before each sublayer.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import torch
import torch.nn.functional as F
from pydantic import Field, PositiveInt
from torch import Generator, Tensor, nn

from recsys_cl.core.errors import Refused
from recsys_cl.core.values import Encoding, Shape
from recsys_cl.ops.dropout import Dropout
from recsys_cl.structures.sequences import Sequences, join


class Transformer(nn.Module):
    """States of histories from causal self-attention.

    All sources (a batch and its views) run as one batch. Everything works on the flat tokens; only attention pads, to the
    longest row, and since it looks back only, nothing real ever sees the padding. Positions are learned and counted from
    the oldest item kept, so a state depends on nothing that comes after it: training reads at position ``t`` exactly what
    recommending from the first ``t`` items would.

    Args:
        dim: width of items and states.
        layers: attention blocks.
        heads: attention heads; divides ``dim``.
        feedforward: hidden width of the position-wise network; ``dim``, as in the paper, where not given.
        dropout: rate on the inputs and on what each sublayer adds.
        max_length: positions there are vectors for; at least the feed's.
        rng: initialisation.
    """

    def __init__(
        self,
        shape: Shape,
        rng: Generator,
        dim: PositiveInt = 64,
        layers: PositiveInt = 2,
        heads: PositiveInt = 1,
        feedforward: PositiveInt | None = None,
        dropout: Annotated[float, Field(ge=0, lt=1)] = 0.2,
        max_length: PositiveInt = 50,
    ) -> None:
        super().__init__()
        if dim % heads:
            raise Refused(f"encoder.heads: {heads} heads cannot share {dim} dimensions; heads must divide dim")
        self.items = _table(shape.items, dim, dim**-0.5, rng)
        self.unknown = nn.Parameter(torch.zeros(dim))  # what a hidden or unknown item is read as
        self.positions = _table(max_length, dim, 0.02, rng)  # small beside the items at first
        self.blocks = nn.ModuleList(_Block(dim, heads, feedforward or dim, dropout, rng) for _ in range(layers))
        self.norm = nn.LayerNorm(dim)
        self.drop = Dropout(dropout)

    def forward(self, sources: Sequence[Sequences], users: Tensor, items: Tensor | None = None) -> tuple[Encoding, ...]:  # noqa: ARG002
        """Encode the readouts of each source, [Q, D]. Item rows are the same for all; users are known by their histories."""
        states = torch.split(self._states(join(sources)), [source.readout.numel() for source in sources])
        answers = self.items if items is None else F.embedding(items, self.items)
        return tuple(Encoding(state, answers) for state in states)

    def _states(self, source: Sequences) -> Tensor:
        limit = self.positions.shape[0]
        if source.longest > limit:
            raise Refused(f"encoder.max_length: a history of {source.longest} items does not fit {limit} positions")
        rows, longest = source.rows, source.longest
        place = torch.arange(rows.numel(), device=rows.device) - source.offsets[rows]
        states: Tensor = self.drop(self._tokens(source) + F.embedding(place, self.positions))
        slots, grid = rows * longest + place, (source.offsets.numel() - 1, longest)
        for depth, block in enumerate(self.blocks, start=1):
            last = depth == len(self.blocks)
            states = block(states, slots, grid, source.readout if last else None)
        return self.norm(states)  # type: ignore[no-any-return]

    def _tokens(self, source: Sequences) -> Tensor:
        hidden = source.tokens == source.shape.items
        known = F.embedding(source.tokens.masked_fill(hidden, 0), self.items)
        return torch.where(hidden[:, None], self.unknown, known)


class _Block(nn.Module):
    """Attention, then a position-wise network, each added to what it was given."""

    def __init__(self, dim: int, heads: int, feedforward: int, dropout: float, rng: Generator) -> None:
        super().__init__()
        self.heads = heads
        self.before_attention, self.before_network = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.projections, self.mix = _linear(dim, 3 * dim, rng), _linear(dim, dim, rng)
        self.widen, self.narrow = _linear(dim, feedforward, rng), _linear(feedforward, dim, rng)
        self.drop = Dropout(dropout)

    def forward(self, states: Tensor, slots: Tensor, grid: tuple[int, int], readout: Tensor | None) -> Tensor:
        """States of the tokens [N, D], or of ``readout`` alone; ``slots`` are the tokens' places in the padded ``grid``."""
        found = self._look_back(self.before_attention(states), slots, grid)
        if readout is not None:  # from here on each position is for itself: only those read out are needed
            states, slots = states.index_select(0, readout), slots[readout]
        states = states + self.drop(self.mix(found.index_select(0, slots)))
        return states + self.drop(self.narrow(F.gelu(self.widen(self.before_network(states)))))  # type: ignore[no-any-return]

    def _look_back(self, states: Tensor, slots: Tensor, grid: tuple[int, int]) -> Tensor:
        """What each place of the padded grid finds in its own row up to itself, [rows * longest, D]."""
        rows, longest = grid
        flat = self.projections(states)
        padded = flat.new_zeros(rows * longest, flat.shape[1]).index_copy(0, slots, flat)
        query, key, value = padded.view(rows, longest, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        found = F.scaled_dot_product_attention(query, key, value, is_causal=True)
        return found.transpose(1, 2).reshape(rows * longest, -1)


def _table(rows: int, dim: int, spread: float, rng: Generator) -> nn.Parameter:
    return nn.Parameter(torch.empty(rows, dim).normal_(std=spread, generator=rng))


def _linear(width: int, out: int, rng: Generator) -> nn.Linear:
    layer = nn.Linear(width, out, device="meta").to_empty(device="cpu")  # by way of meta: no draw from the global generator
    nn.init.xavier_uniform_(layer.weight, generator=rng)
    nn.init.zeros_(layer.bias)
    return layer
