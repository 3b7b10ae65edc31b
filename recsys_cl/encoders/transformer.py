"""Self-attention over a history, looking back (SASRec) or both ways (BERT4Rec), as the source asks.

Kang & McAuley, 2018, Self-Attentive Sequential Recommendation, arXiv:1808.09781; Sun et al., 2019, BERT4Rec,
arXiv:1904.06690; both with layer norm before each sublayer, and one item table that reads the history and answers it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

import torch
import torch.nn.functional as F
from pydantic import Field, PositiveInt
from torch import Generator, Tensor, nn

from recsys_cl.core.errors import Refused
from recsys_cl.core.values import Encoding, ItemFeatures, Shape
from recsys_cl.encoders._attention import Block, layout
from recsys_cl.encoders._content import content_of, with_content
from recsys_cl.encoders._items import encodings, read
from recsys_cl.ops.dropout import Dropout
from recsys_cl.ops.fresh import normal
from recsys_cl.ops.gaps import BUCKETS
from recsys_cl.ops.norm import LayerNorm
from recsys_cl.ops.rotary import angles
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
        smooth: share of each block's first sublayer that is not attention but a filter: the running average of what it is
            given passes, and of the rest as much as each coordinate learns (BSARec, Shin et al., 2024, arXiv:2312.10325,
            whose low-pass, a Fourier transform of the whole history, would see what comes next). 0: attention alone.
        decay: of that average: weight of a state relative to the one after it.
        gaps: attention is biased by the time between two items, a learned number for each power of two of seconds and each
            head (relative time as in TiSASRec, Li et al., 2020, doi:10.1145/3336191.3371786; as a bias by logarithmic bucket
            in HSTU, Zhai et al., 2024, arXiv:2402.17152). Needs ``source.times``.
        spread: deviation of the items' first values, ``dim ** -0.5`` where not given. Attention and cosine see directions
            alone: the smaller the vectors are, the faster they turn at first.
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
        smooth: Annotated[float, Field(ge=0, le=1)] = 0.0,
        decay: Annotated[float, Field(gt=0, le=1)] = 0.7,
        gaps: bool = False,
        spread: Annotated[float, Field(gt=0)] | None = None,
        content: bool = False,
    ) -> None:
        super().__init__()
        self.dim, self.heads, self.max_length = dim, heads, max_length
        if dim % heads:
            raise Refused(f"encoder.heads: {heads} heads cannot share {dim} dimensions; heads must divide dim")
        if positions == "rotary" and dim // heads % 2:
            raise Refused(f"encoder.positions: 'rotary' turns pairs, and a head of {dim // heads} dimensions has one left over")
        self.items = normal(shape.items, dim, spread=spread or dim**-0.5, rng=rng)
        self.unknown = nn.Parameter(torch.zeros(dim))  # what a hidden or unknown item is read as
        learned = positions == "learned"
        self.positions = normal(max_length, dim, spread=0.02, rng=rng) if learned else None  # small beside the items at first
        self.blocks = nn.ModuleList(
            Block(dim, heads, feedforward or dim, dropout, rng, smooth=smooth, decay=decay) for _ in range(layers)
        )
        self.norm = LayerNorm(dim)
        self.drop = Dropout(dropout)
        self.gaps = nn.Parameter(self.items.new_zeros(BUCKETS, heads)) if gaps else None  # at first no time matters
        self.content = content_of(features, dim, rng, wanted=content)

    def forward(self, sources: Sequence[Sequences], users: Tensor, items: Tensor | None = None) -> tuple[Encoding, ...]:  # noqa: ARG002
        """Encode the readouts of each source, [Q, D]. Item rows are the same for all; users are known by their histories."""
        table = with_content(self.items, self.content)
        return encodings(self._states(join(sources), table), sources, table, items)

    def _states(self, source: Sequences, table: Tensor) -> Tensor:
        longest = source.longest
        if longest > self.max_length:
            raise Refused(f"encoder.max_length: a history of {longest} items does not fit {self.max_length} positions")
        vectors, turns = read(table, self.unknown, source), None
        if self.positions is None:
            turns = angles(longest, self.dim // self.heads, vectors.device)
        else:
            vectors = vectors + F.embedding(source.places, self.positions)
        states: Tensor = self.drop(vectors)
        lies = layout(source, turns, self.gaps)
        for depth, block in enumerate(self.blocks, start=1):
            last = depth == len(self.blocks)
            states = block(states, lies, source.readout if last else None)
        return self.norm(states)  # type: ignore[no-any-return]
