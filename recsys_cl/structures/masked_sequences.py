"""Histories with some items hidden, to be told from what stands on both sides of them (BERT4Rec's training task)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Annotated

import torch
from pydantic import Field, PositiveInt
from torch import Generator, Tensor

from recsys_cl.core.protocols import NegativeSampler
from recsys_cl.core.values import Batch, Interactions, Shape
from recsys_cl.ops.ragged import marks, portion, uniform
from recsys_cl.ops.rows import distinct
from recsys_cl.structures.sequences import SequenceFeed, Sequences


class MaskedSequenceFeed:
    """Batches of whole histories in which hidden items are asked for (Sun et al., 2019, BERT4Rec, arXiv:1904.06690).

    The sources say that states may look both ways. To recommend, one more item is hidden at the end of each history:
    what stands there is what comes next. Batches are made of the same users in the same order as ``sequences`` makes them.

    Args:
        interactions: what has been observed; of each user the newest ``max_length`` items.
        sampler: where negatives come from; ``None`` sets every hidden item against the whole catalogue.
        batch_size: users of a training step.
        max_length: longest history an encoder will see, the item hidden at its end counted.
        ratio: how much of a history is hidden, rounded down but at least one item (the paper's rho).
        only_last: share of histories in which nothing but the newest item is hidden, as when recommending.
    """

    reads_histories = True

    def __init__(
        self,
        shape: Shape,
        interactions: Interactions,
        sampler: NegativeSampler | None = None,
        batch_size: PositiveInt = 256,
        max_length: Annotated[int, Field(ge=2)] = 50,
        ratio: Annotated[float, Field(gt=0, le=1)] = 0.2,
        only_last: Annotated[float, Field(ge=0, le=1)] = 0.1,
    ) -> None:
        self.shape = shape
        self.sampler = sampler
        self.ratio, self.only_last = ratio, only_last
        self._next = SequenceFeed(shape, interactions, None, batch_size, max_length - 1)  # room for one item more
        self.steps = self._next.steps

    def training(self, rng: Generator) -> Iterator[Batch[Sequences]]:
        """One epoch: every user with two or more items exactly once."""
        for batch in self._next.training(rng):
            newest = batch.positive[batch.source.offsets[1:] - 1]  # without a sampler, a row is an item
            yield self._batch(_extended(batch.source, newest), batch.users, rng)

    def inference(self, users: Tensor) -> Iterator[tuple[Sequences, Tensor]]:
        """Blocks of users of like length, each history with one hidden item after its newest, read out there."""
        for source, served in self._next.inference(users):
            hidden = torch.full_like(served, self.shape.items)
            yield _extended(source, hidden).at_the_end(), served

    def _batch(self, whole: Sequences, users: Tensor, rng: Generator) -> Batch[Sequences]:
        hidden = self._hidden(whole, rng)
        readout = hidden.nonzero().flatten()
        source = replace(whole, tokens=whole.tokens.masked_fill(hidden, self.shape.items), readout=readout)
        targets, query = whole.tokens[readout], torch.arange(readout.numel(), device=readout.device)
        if self.sampler is None:
            return Batch(source, users, items=None, positives=0, query=query, positive=targets)
        items, count, positive, negative = distinct(targets, self.sampler(users[whole.rows[readout]], rng))
        return Batch(source, users, items, count, query, positive, negative, self.sampler.log_q(items))

    def _hidden(self, source: Sequences, rng: Generator) -> Tensor:
        """Which tokens are hidden, [N] bool."""
        rows = source.rows
        anywhere = marks(rows, source.offsets, portion(source.lengths, self.ratio).clamp(min=1), rng)
        last = source.places == (source.lengths - 1)[rows]
        drawn = uniform(source.lengths.numel(), rng, rows.device) < self.only_last
        return torch.where(drawn[rows], last, anywhere)


def _extended(source: Sequences, added: Tensor) -> Sequences:
    """The same histories, each with one of ``added`` [R] after its newest item, to be looked at both ways."""
    rows = source.rows
    offsets = source.offsets + torch.arange(source.offsets.numel(), device=rows.device)
    tokens = source.tokens.new_empty(rows.numel() + added.numel())
    tokens[torch.arange(rows.numel(), device=rows.device) + rows] = source.tokens
    tokens[offsets[1:] - 1] = added
    return replace(source, tokens=tokens, offsets=offsets, longest=source.longest + 1, causal=False)
