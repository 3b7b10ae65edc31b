"""The few-shot family the other way round: an item, or a category, is the task, and the users who met it are its examples.

What is learned from few users who met something new says who else will: item cold start as in Vartak et al., 2017, NeurIPS,
"A Meta-Learning Perspective on Cold-Start Recommendations for Items".
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Literal

import torch
from annotated_types import Ge
from pydantic import PositiveInt
from torch import Generator, Tensor

from recsys_cl.core.errors import Refused
from recsys_cl.core.protocols import NegativeSampler
from recsys_cl.core.values import Batch, Interactions, ItemFeatures, Ragged, Shape
from recsys_cl.structures.episodes import EpisodeFeed, Episodes


@dataclass(frozen=True, slots=True, eq=False)
class Audiences:
    """All tasks, in blocks of one size of support; ids in them are users, and ``shape.items`` of a block counts users."""

    blocks: tuple[Episodes, ...]
    tasks: Ragged  # I rows, none empty: the tasks that an item is, as places in all blocks one after another


class AudienceFeed:
    """Batches of tasks: of the users who met something, oldest first, some are the support and those who followed the query.

    Args:
        interactions: what has been observed; who met one thing several times counts once, at the first.
        features: whose ``by`` says which categories an item has.
        sampler: none; a query stands against all users.
        task: ``item``: each item is known by who met it; ``category``: each category is, and an item is the mean of its own.
        by: a feature of the items with a column a category (``prepare.features``: ``use = "category"``).
        batch_size, support, query: as of `EpisodeFeed`, in users.
    """

    reads_histories = False

    def __init__(
        self,
        shape: Shape,
        interactions: Interactions,
        features: ItemFeatures | None = None,
        sampler: NegativeSampler | None = None,
        *,
        task: Literal["item", "category"] = "item",
        by: str = "category",
        batch_size: PositiveInt = 64,
        support: PositiveInt = 20,
        query: Annotated[int, Ge(1)] = 20,
    ) -> None:
        if sampler is not None:
            raise Refused("sampler: tasks that are items ask for users, among all of them; leave the sampler out")
        self.shape, device = shape, interactions.items.device
        items = torch.arange(shape.items, device=device)
        rows, kinds = (items, items) if task == "item" else _categories(features, by)
        count = shape.items if task == "item" else int(kinds.max()) + 2  # the last one is what has no category
        if task == "category":
            without = torch.bincount(rows, minlength=shape.items) == 0
            rows, kinds = torch.cat((rows, items[without])), torch.cat((kinds, items[without] * 0 + count - 1))
        self._tasks = Ragged.group(rows, kinds, shape.items)
        self._feed = EpisodeFeed(
            Shape(count, shape.users),
            _turned(interactions, self._tasks, count),
            batch_size=batch_size,
            support=support,
            query=query,
        )
        self.steps = self._feed.steps

    def training(self, rng: Generator) -> Iterator[Batch[Episodes]]:
        """One epoch: everything that two users met is a task exactly once.

        Raises:
            Refused: nothing is.
        """
        if not self.steps:
            raise Refused("train: nothing was met by two users, one to learn from and one to be asked for")
        return self._feed.training(rng)

    def inference(self, users: Tensor) -> Iterator[tuple[Audiences, Tensor]]:
        """All tasks at once, each known by its newest users."""
        every = torch.arange(self._feed.shape.users, device=self._tasks.values.device)
        blocks, served = zip(*self._feed.inference(every), strict=True)
        place = torch.empty_like(every)
        place[torch.cat(served)] = every
        yield Audiences(blocks, Ragged(place[self._tasks.values], self._tasks.offsets)), users


def _categories(features: ItemFeatures | None, by: str) -> tuple[Tensor, Tensor]:
    """Items and their categories, pair by pair."""
    told = None if features is None else features.modalities.get(by)
    if told is None:
        raise Refused(f"source.by: tasks that are categories read the feature '{by}'; declare it under [prepare.features]")
    rows, kinds = told.categories(by).nonzero(as_tuple=True)
    if not len(rows):
        raise Refused(f"source.by: no item has a category in the feature '{by}'")
    return rows, kinds


def _turned(met: Interactions, tasks: Ragged, count: int) -> Interactions:
    """Who met each task and when first: tasks stand for users, and users for items."""
    sizes = tasks.lengths[met.items]
    rows = torch.repeat_interleave(torch.arange(len(met), device=met.items.device), sizes)
    ends = sizes.cumsum(0)
    place = torch.arange(len(rows), device=rows.device) - (ends - sizes)[rows]
    of = tasks.values[tasks.offsets[met.items[rows]] + place]
    keys = of * met.shape.users + met.users[rows]
    order = torch.argsort(keys, stable=True)
    first = torch.ones_like(keys, dtype=torch.bool)
    first[1:] = keys[order].diff() > 0
    kept = order[first].sort().values  # in the order of the log
    return Interactions(Shape(count, met.shape.users), of[kept], met.users[rows[kept]], met.times[rows[kept]])
