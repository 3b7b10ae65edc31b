"""A block of self-attention on flat tokens, for all rows of a batch at once; beside attention, a filter where asked for."""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from recsys_cl.core.errors import Refused
from recsys_cl.ops.dropout import Dropout
from recsys_cl.ops.fresh import linear, normal
from recsys_cl.ops.gaps import buckets
from recsys_cl.ops.lookback import running_sum
from recsys_cl.ops.norm import LayerNorm
from recsys_cl.ops.ragged import padded
from recsys_cl.ops.rotary import rotated
from recsys_cl.structures.sequences import Sequences

_WASTE = 2  # grids for rows of like length, where one for all of them would hold so many places a token
_WIDTHS = (4, 2, 1)  # the longest row divided by these


class Layout(NamedTuple):
    """How flat tokens lie in the padded grids that attention works on, one after the other."""

    slots: Tensor  # [N] place of each token in the flattened grids
    places: Tensor  # [N] and in its row
    longest: int
    grids: tuple[tuple[int, int], ...]  # rows of each, and their width
    seen: Tensor | None  # what may be looked at, bool, or what is added to it; None: all up to itself
    turns: Tensor | None  # [longest, D / heads / 2] by which queries and keys are turned; None: they are not


def layout(source: Sequences, turns: Tensor | None, gaps: Tensor | None) -> Layout:
    """The layout of ``source``; with ``gaps`` [BUCKETS, heads], what is learned of times is added to attention.

    Raises:
        Refused: gaps are asked for, and the source does not say when items were met.
    """
    rows, longest, places = source.offsets.numel() - 1, source.longest, source.places
    if source.causal and gaps is None and _wasteful(source):
        begins, grids = _by_width(source)
        return Layout(begins[source.rows] + places, places, longest, grids, None, turns)
    slots = source.rows * longest + places
    seen = _open(source) if gaps is None else _biased(source, slots, gaps)
    return Layout(slots, places, longest, ((rows, longest),), seen, turns)


def _wasteful(source: Sequences) -> bool:
    """Whether most of one grid would be empty: sources of unlike lengths were joined. On a GPU, which is told no sizes, no."""
    if source.tokens.is_cuda or torch.compiler.is_exporting() or source.longest < max(_WIDTHS):
        return False
    return (source.offsets.numel() - 1) * source.longest > _WASTE * source.tokens.numel()


def _by_width(source: Sequences) -> tuple[Tensor, tuple[tuple[int, int], ...]]:
    """Each row in the narrowest grid that holds it: where it begins in the flattened grids [R], and the grids."""
    lengths, widths = source.lengths, [source.longest // part for part in _WIDTHS]
    which = torch.bucketize(lengths, lengths.new_tensor(widths))
    begins, end, grids = torch.empty_like(lengths), 0, []
    for number, width in enumerate(widths):
        members = (which == number).nonzero().flatten()
        begins[members] = end + width * torch.arange(members.numel())
        end += width * members.numel()
        grids.append((members.numel(), width))
    return begins, tuple(grid for grid in grids if grid[0])


def _open(source: Sequences) -> Tensor | None:
    if source.causal:
        return None
    return (torch.arange(source.longest, device=source.offsets.device) < source.lengths[:, None])[:, None, None]


def _biased(source: Sequences, slots: Tensor, gaps: Tensor) -> Tensor:
    if source.times is None:
        raise Refused("encoder.gaps: reads when items were met; set source.times = true, where the source has that key")
    rows, longest = source.offsets.numel() - 1, source.longest
    grid = source.times.new_zeros(rows * longest).index_copy_(0, slots, source.times).view(rows, longest)
    bias = F.embedding(buckets(grid[:, :, None], grid[:, None]), gaps).permute(0, 3, 1, 2)
    seen = _open(source)
    if seen is None:
        seen = torch.ones(longest, longest, dtype=torch.bool, device=grid.device).tril()
    return bias.masked_fill(~seen, -torch.inf)


class Block(nn.Module):
    """Attention, then a position-wise network, each added to what it was given.

    Args:
        smooth: share of the first sublayer that is the filter's; 0: there is none.
        decay: of the filter's average.
    """

    def __init__(
        self, dim: int, heads: int, feedforward: int, dropout: float, rng: Generator, *, smooth: float = 0.0, decay: float = 1.0
    ) -> None:
        super().__init__()
        self.heads = heads
        self.before_attention, self.before_network = LayerNorm(dim), LayerNorm(dim)
        self.projections, self.mix = linear(dim, 3 * dim, rng), linear(dim, dim, rng)
        self.widen, self.narrow = linear(dim, feedforward, rng), linear(feedforward, dim, rng)
        self.drop = Dropout(dropout)
        self.smooth, self.filter = smooth, Smoother(dim, decay, rng) if smooth else None

    def forward(self, states: Tensor, lies: Layout, readout: Tensor | None) -> Tensor:
        """States of the tokens [N, D], or of ``readout`` alone."""
        given, slots = self.before_attention(states), lies.slots
        found = self._look(given, lies)
        smoothed = None if self.filter is None else self.filter(given, lies)
        if readout is not None:  # from here on each position is for itself: only those read out are needed
            states, slots = states.index_select(0, readout), slots[readout]
            smoothed = None if smoothed is None else smoothed.index_select(0, readout)
        mixed = self.mix(found.index_select(0, slots))
        states = states + self.drop(mixed if smoothed is None else torch.lerp(mixed, smoothed.to(mixed.dtype), self.smooth))
        return states + self.drop(self.narrow(F.gelu(self.widen(self.before_network(states)))))  # type: ignore[no-any-return]

    def _look(self, states: Tensor, lies: Layout) -> Tensor:
        """What each place of the padded grids finds in its own row, [places, D]."""
        given = self.projections(states)
        if len(lies.grids) == 1:
            return self._attend(padded(given, lies.slots, *lies.grids[0]), lies)
        sizes = [rows * width for rows, width in lies.grids]
        laid = given.new_zeros(sum(sizes), given.shape[1]).index_copy_(0, lies.slots, given)
        parts = zip(laid.split(sizes), lies.grids, strict=True)
        return torch.cat([self._attend(part.view(rows, width, -1), lies) for part, (rows, width) in parts])

    def _attend(self, grid: Tensor, lies: Layout) -> Tensor:
        """The same for one grid of queries, keys and values [rows, width, 3 D]."""
        rows, width = grid.shape[:2]
        query, key, value = grid.view(rows, width, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        if lies.turns is not None:
            turns = lies.turns[:width]
            query, key = rotated(query, turns), rotated(key, turns)
        seen = lies.seen
        if seen is not None and seen.is_floating_point():
            seen = seen.to(query.dtype)  # which autocast may have made narrower
        found = F.scaled_dot_product_attention(query, key, value, attn_mask=seen, is_causal=seen is None)
        return found.transpose(1, 2).reshape(rows * width, -1)


class Smoother(nn.Module):
    """A causal filter: the running average of the states so far passes whole, and of what is beside it what is learned."""

    def __init__(self, dim: int, decay: float, rng: Generator) -> None:
        super().__init__()
        self.decay = decay
        self.sharp = normal(dim, spread=1.0, rng=rng)  # squared: how much of each coordinate passes beside the average

    def forward(self, states: Tensor, lies: Layout) -> Tensor:
        """Filtered states [N, D]."""
        total = running_sum(states, lies.places, lies.longest, self.decay)
        weight = running_sum(torch.ones_like(states[:, :1]), lies.places, lies.longest, self.decay)
        average = total / weight
        return average + self.sharp.square() * (states - average)
