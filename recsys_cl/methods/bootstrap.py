"""Bootstrapping: an online network learns to predict a target that follows it slowly, without any negatives."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import replace
from typing import Annotated, Any, Generic, TypeVar

import torch
from pydantic import Field
from torch import Generator, Tensor, nn

from recsys_cl.core.errors import Refused
from recsys_cl.core.protocols import Encoder, Objective, View
from recsys_cl.core.values import Batch, Encoding
from recsys_cl.methods._encode import reads_everyone
from recsys_cl.ops.dropout import dropout
from recsys_cl.ops.fresh import linear

S = TypeVar("S")


class Bootstrap(nn.Module, Generic[S]):
    """Online encoder and predictor on one side, a target that passes no gradient on the other.

    The objectives' main encoding is the predictor's answer to the online encoder; their views are the target's encodings of
    the ``views``, which ``plain`` leaves as they are. The target's weights are a moving average of the online's, taken before
    each step: BUIR (Lee et al. 2021, arXiv:2105.06323). With ``momentum`` 0 the target is the online encoder
    itself and ``dropout`` makes it differ: SelfCF (Zhou et al. 2023, arXiv:2107.03019).

    A score is ``q(u).i + u.q(i)`` in both, so vectors for recommending are twice as long: (q(u), u) and (i, q(i)).

    Args:
        encoder: the online network.
        rng: initialisation of the predictor.
        views: what the target reads.
        main_view: alters what the online network reads.
        momentum: share of itself that the target keeps in each step.
        dropout: rate on the target's vectors.
    """

    def __init__(
        self,
        encoder: Encoder[S],
        objectives: Mapping[str, tuple[float, Objective]],
        rng: Generator,
        views: Sequence[View[S]] = (),
        main_view: View[S] | None = None,
        momentum: Annotated[float, Field(ge=0, lt=1)] = 0.995,
        dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0,
    ) -> None:
        super().__init__()
        if not views:
            raise Refused("views: 'bootstrap' gives its target something to read; 'plain' is the source as it is")
        if reads_everyone(objectives.values()):
            raise Refused("objectives: 'bootstrap' encodes the batch alone; leave negatives = 'all' to other methods")
        self.encoder = encoder
        self.target = _frozen(encoder) if momentum else None
        self.predictor = linear(encoder.dim, encoder.dim, rng)
        self.objectives = objectives
        self.views = views
        self.main_view = main_view
        self.momentum = momentum
        self.dropout = dropout
        self.learned = nn.ModuleDict({n: o for n, (_, o) in objectives.items() if isinstance(o, nn.Module)})

    def losses(self, batch: Batch[S], rng: Generator) -> dict[str, Tensor]:
        """Weighted loss terms by name, scalars; their sum is what to minimise."""
        source = batch.source if self.main_view is None else self.main_view(batch.source, rng)
        (online,) = self.encoder([source], batch.users, batch.items)
        main = self._predicted(online)
        targets = self._targets([view(batch.source, rng) for view in self.views], batch)
        return {name: weight * objective(main, targets, batch) for name, (weight, objective) in self.objectives.items()}

    @torch.no_grad()
    def _targets(self, sources: Sequence[S], batch: Batch[Any]) -> list[Encoding]:
        if self.target is not None and self.training:
            for kept, fresh in zip(self.target.parameters(), self.encoder.parameters(), strict=True):  # type: ignore[attr-defined]
                kept.lerp_(fresh, 1 - self.momentum)
        encoder: Any = self.encoder if self.target is None else self.target
        found = encoder(sources, batch.users, batch.items)
        return [self._dropped(each) for each in found]

    def _predicted(self, online: Encoding) -> Encoding:
        """The predictor's answer to vectors and to their parts; layers are left as they are, for penalties."""
        parts = {name: self._predicted(part) for name, part in online.parts.items()}
        users, items = self.predictor(online.users), self.predictor(online.items)
        return replace(online, users=users, items=items, shares=(), parts=parts)  # no sum of the layers any more

    def _dropped(self, target: Encoding) -> Encoding:
        parts = {name: self._dropped(part) for name, part in target.parts.items()}
        users, items = dropout(target.users, self.dropout), dropout(target.items, self.dropout)
        return replace(target, users=users, items=items, layers=(), shares=(), parts=parts)

    def encode(self, source: S, users: Tensor) -> Encoding:
        """Vectors of ``users`` [U, 2 D] and of the whole catalogue [I, 2 D] whose dot product is the score."""
        (online,) = self.encoder([source], users)
        asks, answers = self.predictor(online.users), self.predictor(online.items)
        return Encoding(torch.cat((asks, online.users), -1), torch.cat((online.items, answers), -1))

    @property
    def module(self) -> nn.Module:
        """Itself; the target is part of what is saved."""
        return self


def _frozen(encoder: Any) -> nn.Module:
    copy: nn.Module = deepcopy(encoder)
    return copy.requires_grad_(requires_grad=False)
