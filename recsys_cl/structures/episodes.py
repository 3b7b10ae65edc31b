"""The few-shot family: somebody is a task, with a few items to learn from (the support) and others to be asked for (the query).

As in Vinyals et al., 2016, Matching Networks, arXiv:1606.04080: training looks like what is asked of the model later.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated

import torch
from annotated_types import Ge
from pydantic import PositiveInt
from torch import Generator, Tensor

from recsys_cl.core.errors import Refused
from recsys_cl.core.protocols import NegativeSampler
from recsys_cl.core.values import Batch, Interactions, ItemFeatures, Shape
from recsys_cl.ops.ragged import uniform, windows
from recsys_cl.ops.rows import distinct
from recsys_cl.structures._buckets import bucketed
from recsys_cl.structures.sequences import BLOCK, Sequences


@dataclass(frozen=True, slots=True, eq=False)
class Episodes:
    """T tasks of one size, so that nothing is padded: every support has n items, every query q."""

    shape: Shape
    support: Tensor  # [T, n] item ids, oldest first; n may be 0
    query: Tensor  # [T, q] item ids, what came next; q is 0 where it is not known
    about: ItemFeatures | None = None  # what else is known of whoever each task is, T rows; None: nothing is declared

    @property
    def length(self) -> int:
        """Places of a history that are read, L: those that ask for what follows them, or for what nobody knows yet."""
        return self.support.shape[1] + max(self.query.shape[1], 1)

    @property
    def tokens(self) -> Tensor:
        """Histories [T, L] that begin with an unknown item: what is read at place t asks for item t, counted from 0."""
        items = torch.cat((self.support, self.query), 1)[:, : self.length - 1]
        return torch.nn.functional.pad(items, (1, 0), value=self.shape.items)

    def rows(self, tokens: Tensor) -> Sequences:
        """Histories of one length [R, L] for encoders, read out at every place, row after row: [R * L]."""
        count, length = tokens.shape
        offsets = torch.arange(count + 1, device=tokens.device) * length
        readout = torch.arange(count * length, device=tokens.device)
        return Sequences(self.shape, tokens.flatten(), offsets, readout, length)


class EpisodeFeed:
    """Batches of tasks: a stretch of each user's history, of which the first items are the support and the rest the query.

    Users of like length stand in one batch; the support's size is drawn for each batch, from none to ``support``, so that
    the model has practised every number of shots.

    Args:
        interactions: what has been observed.
        features: of which those of the users tell what else is known of a task.
        sampler: where negatives of the query come from; None sets every target against the whole catalogue.
        batch_size: tasks of a training step.
        support: the most items that somebody is known by: of longer histories the newest count, shorter ones are all there is.
        query: the most items asked for after them in training.
    """

    reads_histories = True

    def __init__(
        self,
        shape: Shape,
        interactions: Interactions,
        sampler: NegativeSampler | None = None,
        batch_size: PositiveInt = 64,
        support: PositiveInt = 20,
        query: Annotated[int, Ge(1)] = 20,
        *,
        features: ItemFeatures | None = None,
    ) -> None:
        self.shape, self.sampler, self.batch_size = shape, sampler, batch_size
        self.support, self.query, self.people = support, query, None if features is None else features.people
        histories = interactions.by_user()
        self.items, self.offsets = histories.values, histories.offsets
        self.lengths = histories.lengths.cpu()  # known to the host, so that no step has to ask the device for a size
        self.learners = (self.lengths > 1).nonzero().flatten()
        self.steps = -(-self.learners.numel() // batch_size)

    def training(self, rng: Generator) -> Iterator[Batch[Episodes]]:
        """One epoch: every user with two or more items is a task exactly once.

        Raises:
            Refused: nobody has two.
        """
        if not self.steps:
            raise Refused("train: no user has two interactions, one to learn from and one to be asked for")
        for users in bucketed(self.learners, self.lengths, self.batch_size, self.support + self.query, rng):
            yield self._batch(users, rng)

    def inference(self, users: Tensor) -> Iterator[tuple[Episodes, Tensor]]:
        """Blocks of users with supports of one size: the newest items of each; none of one who has none."""
        sizes = self.lengths[users.cpu()].clamp(max=self.support)
        for size in torch.unique(sizes).tolist():
            alike = users[(sizes == size).to(users.device)]
            for served in torch.split(alike, max(1, BLOCK // (size + 1))):
                support = self._items(self.offsets[served + 1] - size, size)
                yield Episodes(self.shape, support, support[:, :0], self._about(served)), served

    def _batch(self, members: Tensor, rng: Generator) -> Batch[Episodes]:
        """Tasks of one size, as long as the shortest history allows."""
        users, lengths = members.to(self.items.device), self.lengths[members]
        most = int(lengths.min())
        shots = int(uniform(1, rng, torch.device("cpu")) * (min(self.support, most - 1) + 1))
        length = min(most, shots + self.query)
        starts = windows(lengths, torch.full_like(lengths, length), rng).to(users.device)
        items = self._items(self.offsets[users] + starts, length)
        source = Episodes(self.shape, items[:, :shots], items[:, shots:], self._about(users))
        targets = source.query.flatten()
        query = torch.arange(len(targets), device=users.device)
        if self.sampler is None:
            return Batch(source, users, items=None, positives=0, query=query, positive=targets)
        asking = users.repeat_interleave(length - shots)
        ids, count, positive, negative = distinct(targets, self.sampler(asking, rng))
        return Batch(source, users, ids, count, query, positive, negative, self.sampler.log_q(ids))

    def _about(self, users: Tensor) -> ItemFeatures | None:
        return None if self.people is None else self.people.take(users)

    def _items(self, starts: Tensor, length: int) -> Tensor:
        """The ``length`` items from ``starts`` [T] on, [T, length]."""
        where = starts[:, None] + torch.arange(length, device=starts.device)
        return self.items[where]
