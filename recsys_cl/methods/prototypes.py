"""Contrast with prototypes: nodes or histories are drawn to the centre of their cluster, which is found anew by schedule."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Generic, Literal, TypeVar

import torch
from annotated_types import Ge
from pydantic import NonNegativeInt, PositiveInt
from torch import Generator, Tensor, nn

from recsys_cl.core.errors import Refused
from recsys_cl.core.protocols import Encoder, Feed, FoldsIn, Objective, View
from recsys_cl.core.values import Batch, Encoding, Fold, Shape
from recsys_cl.methods._encode import encode, everyone, reads_everyone, scored
from recsys_cl.objectives._pairing import layer_of
from recsys_cl.ops.kmeans import kmeans
from recsys_cl.ops.similarity import Similarity, Temperature, checked_temperature, lift
from recsys_cl.ops.softmax import weighted_softmax

S = TypeVar("S")

_ROUNDS = 10  # of k-means at a time; it goes on from where it was


class Prototypes(nn.Module, Generic[S]):
    """Joint training with a term ``prototypes``: each row picks its cluster's centre among the centres.

    Lin et al. 2022, NCL, arXiv:2202.06200: k-means of the tables, users and items apart, every centre stands against every
    node. Chen et al. 2022, ICLRec, arXiv:2202.02519: the centres are intents of histories, two views of a history are drawn
    to its intent, and the intents of the batch's other histories stand against it, those of the same intent left out.

    All users are clustered at the first step of an epoch, as the encoder gives them for recommending; k-means goes on from
    the centres of last time. Centres and clusters are saved with the weights.

    Args:
        shape: how many users and items there are to cluster.
        feed: gives all users at once or in blocks; None where the method only recommends.
        similarity: what a score is: the dot product of the vectors, or their cosine.
        weight: of the term.
        clusters: of users, and of items; no more than there are.
        temperature: tau.
        compare: similarity of a row and a centre.
        layer: which of ``Encoding.layers`` is clustered and drawn, 0 being the table; none: the encoding itself.
        sides: users and items, or users alone (histories).
        drawn: the plain encoding, or the first two views, of which the mean is taken.
        negatives: all other centres once, or those of the batch's other rows, as often as they are there.
        warmup: epochs before the term begins.
        every: epochs between clusterings.
    """

    terms = ("prototypes",)
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
        feed: Feed[S] | None = None,
        *,
        similarity: Literal["dot", "cosine"] = "dot",
        weight: Annotated[float, Ge(0)] = 2e-4,
        clusters: PositiveInt = 2000,
        temperature: Temperature = 0.05,
        compare: Similarity = "cosine",
        layer: NonNegativeInt | None = None,
        sides: Literal["both", "users"] = "both",
        drawn: Literal["main", "views"] = "main",
        negatives: Literal["all", "batch"] = "all",
        warmup: NonNegativeInt = 0,
        every: PositiveInt = 1,
    ) -> None:
        super().__init__()
        if feed is not None and drawn == "views" and len(views) < 2:
            raise Refused(f"method.drawn: 'views' needs two [[views]], the recipe has {len(views)}")
        self.encoder, self.objectives, self.views, self.main_view = encoder, objectives, views, main_view
        self.feed, self.similarity = feed, similarity
        self.weight, self.temperature, self.compare = weight, checked_temperature(temperature), compare
        self.layer, self.drawn, self.negatives, self.warmup, self.every = layer, drawn, negatives, warmup, every
        self.everyone = shape if reads_everyone(objectives.values()) else None
        self.learned = nn.ModuleDict({n: o for n, (_, o) in objectives.items() if isinstance(o, nn.Module)})
        self.register_buffer("epoch", torch.zeros((), dtype=torch.int64))
        self.sides = {"users": shape.users} | ({"items": shape.items} if sides == "both" else {})
        for side, count in self.sides.items():
            self.register_buffer(f"centres_{side}", torch.zeros(min(clusters, count), encoder.dim))
            self.register_buffer(f"home_{side}", torch.zeros(count, dtype=torch.int64))
        self._left = 0  # steps of the present epoch; a run is saved and resumed between epochs
        self._active = False

    def losses(self, batch: Batch[S], rng: Generator) -> dict[str, Tensor]:
        """Weighted loss terms by name, scalars, the last being ``prototypes``; their sum is what to minimise."""
        if not self._left:
            self._begin_epoch(rng)
        self._left -= 1
        source = batch.source if self.main_view is None else self.main_view(batch.source, rng)
        altered = [view(batch.source, rng) for view in self.views]
        main, *views = encode(self.encoder, [source, *altered], batch, self.everyone)
        terms = {name: weight * objective(main, views, batch) for name, (weight, objective) in self.objectives.items()}
        pulls = torch.stack([self._pull(self._rows(one), batch) for one in ([main] if self.drawn == "main" else views[:2])])
        return terms | {"prototypes": self.weight * pulls.mean()}

    def _rows(self, encoding: Encoding) -> Encoding:
        return encoding if self.layer is None else layer_of(encoding, self.layer)

    def _pull(self, rows: Encoding, batch: Batch[Any]) -> Tensor:
        if not self._active:
            return 0 * rows.users.sum()
        if len(rows.users) != len(batch.users):
            raise Refused("method.drawn: the plain encoding has one row a place here, not one a user; say drawn = 'views'")
        pull = self._pick(rows.users, self.centres_users, self.home_users[batch.users])
        if "items" not in self.sides:
            return pull
        ids = torch.unique(batch.positive) if batch.items is None else batch.items[: batch.positives]
        items = rows.items[ids] if batch.items is None else rows.items[: batch.positives]
        return pull + self._pick(items, self.centres_items, self.home_items[ids])

    def _pick(self, rows: Tensor, centres: Tensor, home: Tensor) -> Tensor:
        asking, answering = lift(rows, centres.to(rows.dtype), self.compare)
        counts = None if self.negatives == "all" else torch.bincount(home, minlength=len(centres)).to(rows.dtype)
        return weighted_softmax(asking / self.temperature, answering, home, counts)

    @torch.no_grad()
    def _begin_epoch(self, rng: Generator) -> None:
        if self.feed is None:
            raise Refused("method: 'prototypes' clusters all users, and was made without a feed to give them")
        self._left, done = self.feed.steps, int(self.epoch) - self.warmup
        self._active = done >= 0
        if self._active and done % self.every == 0:
            users, items = everyone(self.encoder, self.feed, self._rows, self.home_users.device)
            for side in self.sides:
                rows, centres = {"users": users, "items": items}[side], self.get_buffer(f"centres_{side}")
                if not done:
                    chosen = torch.randperm(len(rows), generator=rng, device=rng.device)[: len(centres)]
                    centres = rows[chosen.to(rows.device)]
                found = kmeans(rows, centres, _ROUNDS)
                setattr(self, f"centres_{side}", found[0])
                setattr(self, f"home_{side}", found[1])
        self.epoch += 1

    def encode(self, source: S, users: Tensor) -> Encoding:
        """Vectors of ``users`` [U, D] and of the whole catalogue [I, D] whose dot product is the score."""
        (encoding,) = self.encoder([source], users)
        return scored(encoding, self.similarity)

    def fold_in(self, source: S) -> Fold | None:
        """The encoder's own rule, where it has one."""
        return self.encoder.fold_in(source) if isinstance(self.encoder, FoldsIn) else None

    @property
    def module(self) -> nn.Module:
        """Itself; centres and clusters are part of what is saved."""
        return self
