"""Rows of different lengths without padding and without a loop over rows: plain index arithmetic."""

from __future__ import annotations

import torch
from torch import Generator, Tensor

from recsys_cl.core.values import Ragged


def owners(lengths: Tensor, total: int | None = None) -> Tensor:
    """The row each flat value belongs to, [N]. ``total`` = N, where known, spares a question to the device."""
    rows = torch.arange(lengths.numel(), device=lengths.device)
    return torch.repeat_interleave(rows, lengths, output_size=total)


def offsets_of(lengths: Tensor) -> Tensor:
    """Where each row begins and the last one ends, [R + 1]."""
    offsets = torch.zeros(lengths.numel() + 1, dtype=torch.int64, device=lengths.device)
    torch.cumsum(lengths, 0, out=offsets[1:])
    return offsets


def spans(starts: Tensor, lengths: Tensor, total: int | None = None) -> Tensor:
    """The flat positions ``starts[r] .. starts[r] + lengths[r] - 1`` of all rows, one row after the other, [N]."""
    shift = starts - offsets_of(lengths)[:-1]
    rows = owners(lengths, total)
    return torch.arange(rows.numel(), device=rows.device) + shift[rows]


def take(ragged: Ragged, rows: Tensor) -> Ragged:
    """Some ``rows`` [Q] of ``ragged``, in the order asked for."""
    lengths = ragged.lengths[rows]
    return Ragged(ragged.values[spans(ragged.offsets[rows], lengths)], offsets_of(lengths))


def portion(lengths: Tensor, ratio: float) -> Tensor:
    """``floor(ratio * length)`` of each row, [R]; the nudge keeps 0.29 * 100 at 29, which doubles put just below."""
    return (lengths.double() * ratio + 1e-9).floor().long()


def uniform(count: int, rng: Generator, device: torch.device) -> Tensor:
    """Draws from [0, 1) in double precision, [count], made where ``rng`` lives and moved to ``device``."""
    return torch.rand(count, generator=rng, device=rng.device, dtype=torch.float64).to(device)


def windows(lengths: Tensor, widths: Tensor, rng: Generator) -> Tensor:
    """A start for a window of ``widths[r] <= lengths[r]`` inside each row, every start equally likely, [R]."""
    starts = lengths - widths + 1
    return (uniform(lengths.numel(), rng, lengths.device) * starts).long()


def marks(rows: Tensor, offsets: Tensor, counts: Tensor, rng: Generator) -> Tensor:
    """Mark ``counts[r]`` places of each row, every choice equally likely, [N] bool; ``rows`` [N] are the owners."""
    shuffled = torch.argsort(rows + uniform(rows.numel(), rng, rows.device))  # each row's places in random order
    rank = torch.arange(rows.numel(), device=rows.device) - offsets[rows]
    marked = torch.empty_like(rows, dtype=torch.bool)
    marked[shuffled] = rank < counts[rows]
    return marked


def padded(values: Tensor, slots: Tensor, rows: int, longest: int) -> Tensor:
    """``values`` [N, D] laid out as [rows, longest, D], 0 where nothing is; ``slots`` [N], rising, = row * longest + place."""
    if not torch.compiler.is_exporting() and len(values) == rows * longest:  # every row is full; asking would fix the batch
        return values.view(rows, longest, -1)
    grid = values.new_zeros(rows * longest, values.shape[1])
    return grid.index_copy_(0, slots, values).view(rows, longest, -1)
