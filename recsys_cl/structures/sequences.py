"""Histories as the source, in one flat array: never padded, never expanded into prefixes; and the feed that batches them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from pydantic import PositiveInt
from torch import Generator, Tensor

from recsys_cl.core.errors import Refused
from recsys_cl.core.protocols import NegativeSampler
from recsys_cl.core.values import Batch, Interactions, Ragged, Shape
from recsys_cl.ops.ragged import offsets_of, owners, spans
from recsys_cl.ops.rows import distinct
from recsys_cl.structures._buckets import bucketed
from recsys_cl.structures._join import join
from recsys_cl.structures._part import part_of

__all__ = ["SequenceFeed", "Sequences", "join"]

BLOCK, GPU_BLOCK = 1 << 14, 1 << 17
"""Tokens of one inference block at most: what the states of a block fill stays in a CPU's cache, and keeps a GPU busy."""


@dataclass(frozen=True, slots=True, eq=False)
class Sequences:
    """Histories, oldest item first, stored flat: row ``r`` is ``tokens[offsets[r] : offsets[r + 1]]``. No row is empty.

    A token is an item id, or ``shape.items`` for an item that is hidden (masked) or unknown.
    """

    shape: Shape
    tokens: Tensor  # [N] int64
    offsets: Tensor  # [R + 1] int64, first 0, last N
    readout: Tensor  # [Q] flat positions; the states there are what an encoder returns as users
    longest: int  # no row is longer; lets an encoder allocate without asking the device
    users: Tensor | None = None  # [R] whose each row is: for views that look for other histories; encoders leave it alone
    causal: bool = True  # what is asked comes next, so no state may read past its place; False: it is hidden in the row
    times: Tensor | None = None  # [N] int64, microseconds since 1970 UTC: when each was met; None: the feed was not asked

    @property
    def lengths(self) -> Tensor:
        """Items in each row, [R]."""
        return self.offsets.diff()

    @property
    def rows(self) -> Tensor:
        """The row each token belongs to, [N]."""
        return owners(self.lengths, self.tokens.numel())

    @property
    def places(self) -> Tensor:
        """Where each token stands in its row, the oldest at 0, [N]."""
        return torch.arange(self.tokens.numel(), device=self.tokens.device) - self.offsets[self.rows]

    def at_the_end(self) -> Sequences:
        """The same histories, read out once each: at their last position."""
        return replace(self, readout=self.offsets[1:] - 1)

    def part(self, index: int, count: int) -> tuple[Sequences, list[int]] | None:
        """See `structures/_part.py`."""
        return part_of(self, index, count)

    def picked(self, at: Tensor, lengths: Tensor) -> Sequences:
        """Rows of ``lengths`` [R'] made of the tokens at ``at`` [N'], with their times, read out at the last position."""
        times = None if self.times is None else self.times[at]
        return replace(self, tokens=self.tokens[at], offsets=offsets_of(lengths), times=times).at_the_end()


class SequenceFeed:
    """Batches of whole histories; every position is asked for the item that follows it (SASRec's training targets).

    Users are bucketed by length, so that an encoder pads little: on Beauty a quarter of its places instead of 88 % of them.

    Args:
        interactions: what has been observed; each user's newest ``max_length`` items (and the target after them) are used.
        sampler: where negatives come from; ``None`` sets every target against the whole catalogue.
        batch_size: users of a training step.
        max_length: longest history an encoder will see.
        times: tell encoders when each item was met.
    """

    reads_histories = True

    def __init__(
        self,
        shape: Shape,
        interactions: Interactions,
        sampler: NegativeSampler | None = None,
        batch_size: PositiveInt = 256,
        max_length: PositiveInt = 50,
        *,
        times: bool = False,
    ) -> None:
        self.shape, self.sampler = shape, sampler
        self.batch_size, self.max_length = batch_size, max_length
        histories = interactions.by_user()
        self.offsets = histories.offsets
        self.tokens = torch.cat((histories.values, histories.values.new_tensor([shape.items])))  # the last one: an unknown item
        met = Ragged.group(interactions.users, interactions.times, shape.users).values if times else None
        self.times = None if met is None else torch.cat((met, met.new_zeros(1)))
        self.lengths = histories.lengths.cpu()  # known to the host, so that no step has to ask the device for a size
        self.learners = (self.lengths > 1).nonzero().flatten()  # one item alone has no next item to learn from
        self.steps = -(-self.learners.numel() // batch_size)

    def training(self, rng: Generator) -> Iterator[Batch[Sequences]]:
        """One epoch: every user with two or more items exactly once."""
        if not self.steps:
            raise Refused("train: no user has two interactions, so no sequence has a next item to learn")
        for users in bucketed(self.learners, self.lengths, self.batch_size, self.max_length + 1, rng):
            yield self._batch(users, rng)

    def inference(self, users: Tensor) -> Iterator[tuple[Sequences, Tensor]]:
        """Blocks of users of like length, read out at the newest item, so the state is about what comes next.

        A user without history is one unknown item: the encoder answers with what it knows about nobody in particular.
        """
        lengths = self.lengths[users.cpu()].clamp(max=self.max_length)
        order = torch.argsort(lengths, stable=True)
        size = max(1, (GPU_BLOCK if self.tokens.is_cuda else BLOCK) // self.max_length)
        for begin in range(0, users.numel(), size):
            block = order[begin : begin + size]
            served = users[block.to(users.device)]
            yield self._newest(served, lengths[block]), served

    def _batch(self, members: Tensor, rng: Generator) -> Batch[Sequences]:
        users, kept = members.to(self.tokens.device), (self.lengths[members] - 1).clamp(max=self.max_length)
        source, where = self._read(users, self.offsets[users + 1] - 1, kept)
        targets = self.tokens[where + 1]
        if self.sampler is None:
            return Batch(source, users, items=None, positives=0, query=source.readout, positive=targets)
        items, count, positive, negative = distinct(targets, self.sampler(users[source.rows], rng))
        return Batch(source, users, items, count, source.readout, positive, negative, self.sampler.log_q(items))

    def _newest(self, users: Tensor, lengths: Tensor) -> Sequences:
        none = (lengths == 0).to(users.device)
        ends = torch.where(none, self.tokens.numel(), self.offsets[users + 1])
        return self._read(users, ends, lengths.clamp(min=1))[0].at_the_end()

    def _read(self, users: Tensor, ends: Tensor, kept: Tensor) -> tuple[Sequences, Tensor]:
        """The ``kept`` (on the host) tokens of ``users`` before ``ends``, read out everywhere, and where they stand."""
        total, longest, lengths = int(kept.sum()), int(kept.max()), kept.to(ends.device)
        where = spans(ends - lengths, lengths, total)
        every = torch.arange(total, device=ends.device)
        times = None if self.times is None else self.times[where]
        return Sequences(self.shape, self.tokens[where], offsets_of(lengths), every, longest, users, times=times), where
