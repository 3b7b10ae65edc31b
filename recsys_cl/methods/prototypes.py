"""Contrast with prototypes: users and items are drawn to the centre of their cluster, which is found anew by schedule."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Generic, TypeVar

import torch
from annotated_types import Ge
from pydantic import NonNegativeInt, PositiveInt
from torch import Generator, Tensor, nn

from recsys_cl.core.protocols import Encoder, FoldsIn, Objective, View
from recsys_cl.core.values import Batch, Encoding, Fold, Shape
from recsys_cl.methods._encode import encode, reads_everyone
from recsys_cl.ops.kmeans import kmeans
from recsys_cl.ops.similarity import Temperature, checked_temperature
from recsys_cl.ops.softmax import softmax

S = TypeVar("S")

_ROUNDS = 10  # of k-means at a time; it goes on from where it was


class Prototypes(nn.Module, Generic[S]):
    """Joint training with a term ``prototypes``: each node picks its cluster's centre among all centres (cosine, tau).

    Lin et al. 2022, NCL, arXiv:2202.06200 (k-means of the tables, ProtoNCE added to BPR and a contrast of layers); the same
    for intents is ICLRec (Chen et al. 2022, arXiv:2202.02519). Users and items are clustered apart, at the first step of
    an epoch, from the vectors that the plain source gives them; k-means goes on from the centres of last time. A source must
    give all users at once, as graphs do. Centres and clusters are saved with the weights.

    Args:
        shape: how many users and items there are to cluster.
        weight: of the term.
        clusters: of users, and of items; no more than there are.
        temperature: tau.
        layer: which of ``Encoding.layers`` is clustered and drawn; 0 is the table.
        warmup: epochs before the term begins.
        every: epochs between clusterings.
    """

    centres_users: Tensor
    centres_items: Tensor
    home_users: Tensor
    home_items: Tensor
    epoch: Tensor

    def __init__(
        self,
        encoder: Encoder[S],
        objectives: Mapping[str, tuple[float, Objective]],
        shape: Shape,
        views: Sequence[View[S]] = (),
        main_view: View[S] | None = None,
        *,
        weight: Annotated[float, Ge(0)] = 2e-4,
        clusters: PositiveInt = 2000,
        temperature: Temperature = 0.05,
        layer: NonNegativeInt = 0,
        warmup: NonNegativeInt = 0,
        every: PositiveInt = 1,
    ) -> None:
        super().__init__()
        self.encoder, self.objectives, self.views, self.main_view = encoder, objectives, views, main_view
        self.weight, self.temperature, self.layer = weight, checked_temperature(temperature), layer
        self.warmup, self.every = warmup, every
        self.everyone = shape if reads_everyone(objectives.values()) else None
        self.learned = nn.ModuleDict({n: o for n, (_, o) in objectives.items() if isinstance(o, nn.Module)})
        self.register_buffer("epoch", torch.zeros((), dtype=torch.int64))
        for side, count in (("users", shape.users), ("items", shape.items)):
            self.register_buffer(f"centres_{side}", torch.zeros(min(clusters, count), encoder.dim))
            self.register_buffer(f"home_{side}", torch.zeros(count, dtype=torch.int64))
        self._source: S | None = None  # of the present epoch
        self._active = False

    def losses(self, batch: Batch[S], rng: Generator) -> dict[str, Tensor]:
        """Weighted loss terms by name, scalars, the last being ``prototypes``; their sum is what to minimise."""
        if batch.source is not self._source:
            self._begin_epoch(batch.source, rng)
        source = batch.source if self.main_view is None else self.main_view(batch.source, rng)
        altered = [view(batch.source, rng) for view in self.views]
        main, *views = encode(self.encoder, [source, *altered], batch, self.everyone)
        terms = {name: weight * objective(main, views, batch) for name, (weight, objective) in self.objectives.items()}
        return terms | {"prototypes": self.weight * self._pull(main, batch)}

    def _pull(self, main: Encoding, batch: Batch[Any]) -> Tensor:
        rows = main.layers[self.layer]
        if not self._active:
            return 0 * rows.users.sum()
        ids = batch.users, torch.unique(batch.positive) if batch.items is None else batch.items[: batch.positives]
        items = rows.items[ids[1]] if batch.items is None else rows.items[: batch.positives]
        asked = self._pick(rows.users, self.centres_users, self.home_users[ids[0]])
        return asked + self._pick(items, self.centres_items, self.home_items[ids[1]])

    def _pick(self, rows: Tensor, centres: Tensor, home: Tensor) -> Tensor:
        return softmax(rows, centres.to(rows.dtype), home, temperature=self.temperature, similarity="cosine")

    @torch.no_grad()
    def _begin_epoch(self, source: S, rng: Generator) -> None:
        self._source, done = source, int(self.epoch) - self.warmup
        self._active = done >= 0
        if self._active and done % self.every == 0:
            users = torch.arange(len(self.home_users), device=self.home_users.device)
            (found,) = self.encoder([source], users)
            rows = found.layers[self.layer]
            self.centres_users, self.home_users = self._clustered(rows.users, self.centres_users, rng, fresh=done == 0)
            self.centres_items, self.home_items = self._clustered(rows.items, self.centres_items, rng, fresh=done == 0)
        self.epoch += 1

    def _clustered(self, rows: Tensor, centres: Tensor, rng: Generator, *, fresh: bool) -> tuple[Tensor, Tensor]:
        if fresh:
            chosen = torch.randperm(len(rows), generator=rng, device=rng.device)[: len(centres)]
            centres = rows[chosen.to(rows.device)]
        return kmeans(rows, centres.to(rows.dtype), _ROUNDS)

    def encode(self, source: S, users: Tensor) -> Encoding:
        """Vectors of ``users`` [U, D] and of the whole catalogue [I, D] whose dot product is the score."""
        (encoding,) = self.encoder([source], users)
        return encoding

    def fold_in(self, source: S) -> Fold | None:
        """The encoder's own rule, where it has one."""
        return self.encoder.fold_in(source) if isinstance(self.encoder, FoldsIn) else None

    @property
    def module(self) -> nn.Module:
        """Itself; centres and clusters are part of what is saved."""
        return self
