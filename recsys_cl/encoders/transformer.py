"""Self-attention over a history, looking back (SASRec) or both ways (BERT4Rec), as the source asks.

Kang & McAuley, 2018, Self-Attentive Sequential Recommendation, arXiv:1808.09781; Sun et al., 2019, BERT4Rec,
arXiv:1904.06690; both with layer norm before each sublayer, and one item table that reads the history and answers it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal, NamedTuple

import torch
import torch.nn.functional as F
from pydantic import Field, PositiveInt
from torch import Generator, Tensor, nn

from recsys_cl.core.errors import Refused
from recsys_cl.core.values import Encoding, ItemFeatures, Shape
from recsys_cl.encoders._content import content_of, with_content
from recsys_cl.encoders._items import encodings, linear, normal, read
from recsys_cl.ops.dropout import Dropout
from recsys_cl.ops.gaps import BUCKETS, buckets
from recsys_cl.ops.ragged import padded
from recsys_cl.ops.rotary import angles, rotated
from recsys_cl.structures.sequences import Sequences, join


class Transformer(nn.Module):
    """States of histories from self-attention.

    All sources (a batch and its views) run as one batch. Everything works on the flat tokens; only attention pads, to the
    longest row, and nothing real ever looks at the padding. Positions are counted from the oldest item kept, so in a causal
    source a state depends on nothing that comes after it: training reads at position ``t`` exactly what recommending from
    the first ``t`` items would.

    Args:
        dim: width of items and states.
        layers: attention blocks.
        heads: attention heads; divides ``dim``.
        feedforward: hidden width of the position-wise network; ``dim``, as in the paper, where not given.
        dropout: rate on the inputs and on what each sublayer adds.
        max_length: the longest history it reads; at least the feed's.
        positions: a learned vector each, added to the items; or ``rotary``, which turns queries and keys by their place, so
            that attention sees distances (Su et al., 2021, arXiv:2104.09864).
        gaps: attention is biased by the time between two items, a learned number for each power of two of seconds and each
            head (relative time as in TiSASRec, Li et al., 2020, doi:10.1145/3336191.3371786; as a bias by logarithmic bucket
            in HSTU, Zhai et al., 2024, arXiv:2402.17152). Needs ``source.times``.
        features: of the items.
        content: add what the features say to each item's vector.
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
        *,
        features: ItemFeatures | None = None,
        positions: Literal["learned", "rotary"] = "learned",
        gaps: bool = False,
        content: bool = False,
    ) -> None:
        super().__init__()
        self.dim, self.heads, self.max_length = dim, heads, max_length
        if dim % heads:
            raise Refused(f"encoder.heads: {heads} heads cannot share {dim} dimensions; heads must divide dim")
        if positions == "rotary" and dim // heads % 2:
            raise Refused(f"encoder.positions: 'rotary' turns pairs, and a head of {dim // heads} dimensions has one left over")
        self.items = normal(shape.items, dim, spread=dim**-0.5, rng=rng)
        self.unknown = nn.Parameter(torch.zeros(dim))  # what a hidden or unknown item is read as
        learned = positions == "learned"
        self.positions = normal(max_length, dim, spread=0.02, rng=rng) if learned else None  # small beside the items at first
        self.blocks = nn.ModuleList(_Block(dim, heads, feedforward or dim, dropout, rng) for _ in range(layers))
        self.norm = nn.LayerNorm(dim)
        self.drop = Dropout(dropout)
        self.gaps = nn.Parameter(self.items.new_zeros(BUCKETS, heads)) if gaps else None  # at first no time matters
        self.content = content_of(features, dim, rng, wanted=content)

    def forward(self, sources: Sequence[Sequences], users: Tensor, items: Tensor | None = None) -> tuple[Encoding, ...]:  # noqa: ARG002
        """Encode the readouts of each source, [Q, D]. Item rows are the same for all; users are known by their histories."""
        table = with_content(self.items, self.content)
        return encodings(self._states(join(sources), table), sources, table, items)

    def _states(self, source: Sequences, table: Tensor) -> Tensor:
        place, longest = source.places, source.longest
        if longest > self.max_length:
            raise Refused(f"encoder.max_length: a history of {longest} items does not fit {self.max_length} positions")
        vectors, turns = read(table, self.unknown, source), None
        if self.positions is None:
            turns = angles(longest, self.dim // self.heads, place.device)
        else:
            vectors = vectors + F.embedding(place, self.positions)
        states: Tensor = self.drop(vectors)
        slots, rows = source.rows * longest + place, source.offsets.numel() - 1
        seen = _open(source) if self.gaps is None else _biased(source, slots, self.gaps)
        layout = _Layout(slots, rows, longest, seen, turns)
        for depth, block in enumerate(self.blocks, start=1):
            last = depth == len(self.blocks)
            states = block(states, layout, source.readout if last else None)
        return self.norm(states)  # type: ignore[no-any-return]


class _Layout(NamedTuple):
    """How flat tokens lie in the padded grid that attention works on."""

    slots: Tensor  # [N] place of each token in the flattened grid
    rows: int
    longest: int
    seen: (
        Tensor | None
    )  # broadcast to [rows, heads, longest, longest]: what may be looked at, bool, or how readily; None: all up to itself
    turns: Tensor | None = None  # [longest, D / heads / 2] by which queries and keys are turned; None: they are not


def _open(source: Sequences) -> Tensor | None:
    if source.causal:
        return None
    return (torch.arange(source.longest, device=source.offsets.device) < source.lengths[:, None])[:, None, None]


def _biased(source: Sequences, slots: Tensor, gaps: Tensor) -> Tensor:
    """What is added to attention [rows, heads, longest, longest], from the ``gaps`` [BUCKETS, heads]; -inf: not looked at."""
    if source.times is None:
        raise Refused("encoder.gaps: reads when items were met; set source.times = true, where the source has that key")
    rows, longest = source.offsets.numel() - 1, source.longest
    grid = source.times.new_zeros(rows * longest).index_copy(0, slots, source.times).view(rows, longest)
    bias = F.embedding(buckets(grid[:, :, None], grid[:, None]), gaps).permute(0, 3, 1, 2)
    seen = _open(source)
    if seen is None:
        seen = torch.ones(longest, longest, dtype=torch.bool, device=grid.device).tril()
    return bias.masked_fill(~seen, -torch.inf)


class _Block(nn.Module):
    """Attention, then a position-wise network, each added to what it was given."""

    def __init__(self, dim: int, heads: int, feedforward: int, dropout: float, rng: Generator) -> None:
        super().__init__()
        self.heads = heads
        self.before_attention, self.before_network = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.projections, self.mix = linear(dim, 3 * dim, rng), linear(dim, dim, rng)
        self.widen, self.narrow = linear(dim, feedforward, rng), linear(feedforward, dim, rng)
        self.drop = Dropout(dropout)

    def forward(self, states: Tensor, layout: _Layout, readout: Tensor | None) -> Tensor:
        """States of the tokens [N, D], or of ``readout`` alone."""
        found, slots = self._look(self.before_attention(states), layout), layout.slots
        if readout is not None:  # from here on each position is for itself: only those read out are needed
            states, slots = states.index_select(0, readout), slots[readout]
        states = states + self.drop(self.mix(found.index_select(0, slots)))
        return states + self.drop(self.narrow(F.gelu(self.widen(self.before_network(states)))))  # type: ignore[no-any-return]

    def _look(self, states: Tensor, layout: _Layout) -> Tensor:
        """What each place of the padded grid finds in its own row, [rows * longest, D]."""
        slots, rows, longest, seen, turns = layout
        grid = padded(self.projections(states), slots, rows, longest)
        query, key, value = grid.view(rows, longest, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        if turns is not None:
            query, key = rotated(query, turns), rotated(key, turns)
        if seen is not None and seen.is_floating_point():
            seen = seen.to(query.dtype)  # which autocast may have made narrower
        found = F.scaled_dot_product_attention(query, key, value, attn_mask=seen, is_causal=seen is None)
        return found.transpose(1, 2).reshape(rows * longest, -1)
