"""Users are drawn to the items most like the one they met: UltraGCN's graph of items (Mao et al. 2021, arXiv:2110.15114)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Annotated, Any, Generic, TypeVar

import torch
from annotated_types import Ge
from pydantic import PositiveInt
from torch import Generator, Tensor, nn
from torch.nn.functional import embedding, softplus

from recsys_cl.core.errors import Refused
from recsys_cl.core.protocols import Encoder, FoldsIn, Objective, View
from recsys_cl.core.values import Batch, Encoding, Fold, Interactions
from recsys_cl.methods._encode import reads_everyone
from recsys_cl.ops.co_occurrence import nearest_items

S = TypeVar("S")


class Neighbours(nn.Module, Generic[S]):
    """Joint training with a term ``neighbours``: ``-sum_k w(p,k) log sigmoid(u.k)`` over the items nearest to the positive.

    Mean over queries. The nearest items and their weights come from the training interactions, once;
    their vectors are asked of the encoder together with the batch's.

    Args:
        interactions: which items are met together.
        weight: of the term; lambda there.
        neighbours: of each item, the item itself among them; 10 there.
    """

    terms = ("neighbours",)
    nearest: Tensor
    nearness: Tensor

    def __init__(
        self,
        encoder: Encoder[S],
        objectives: Mapping[str, tuple[float, Objective]],
        interactions: Interactions,
        views: Sequence[View[S]] = (),
        main_view: View[S] | None = None,
        *,
        weight: Annotated[float, Ge(0)] = 5e-4,
        neighbours: PositiveInt = 10,
    ) -> None:
        super().__init__()
        if reads_everyone(objectives.values()):
            raise Refused(
                "objectives: 'neighbours' encodes the batch and its neighbours; leave negatives = 'all' to other methods"
            )
        self.encoder, self.objectives, self.views, self.main_view = encoder, objectives, views, main_view
        self.weight = weight
        self.learned = nn.ModuleDict({n: o for n, (_, o) in objectives.items() if isinstance(o, nn.Module)})
        nearest, nearness = nearest_items(interactions, neighbours)
        self.register_buffer("nearest", nearest, persistent=False)
        self.register_buffer("nearness", nearness, persistent=False)

    def losses(self, batch: Batch[S], rng: Generator) -> dict[str, Tensor]:
        """Weighted loss terms by name, scalars, the last being ``neighbours``; their sum is what to minimise."""
        source = batch.source if self.main_view is None else self.main_view(batch.source, rng)
        sources = [source, *(view(batch.source, rng) for view in self.views)]
        asked, rows = self._asked(batch)
        found = self.encoder(sources, batch.users, asked)
        main, *views = found if batch.items is None else [_first(encoding, len(batch.items)) for encoding in found]
        terms = {name: weight * objective(main, views, batch) for name, (weight, objective) in self.objectives.items()}
        return terms | {"neighbours": self.weight * self._pull(found[0], batch, rows)}

    def _asked(self, batch: Batch[Any]) -> tuple[Tensor | None, Tensor]:
        """The batch's items followed by the neighbours of its positives; and which rows those neighbours are, [P, K]."""
        if batch.items is None:
            return None, self.nearest
        near = self.nearest[batch.items[: batch.positives]]
        ids, rows = torch.unique(near, return_inverse=True)
        return torch.cat((batch.items, ids)), len(batch.items) + rows

    def _pull(self, found: Encoding, batch: Batch[Any], rows: Tensor) -> Tensor:
        asks, near = embedding(batch.query, found.users), embedding(rows[batch.positive], found.items)
        ids = batch.positive if batch.items is None else batch.items[batch.positive]
        away = softplus(-(near @ asks.unsqueeze(-1)).squeeze(-1))
        return (self.nearness[ids].to(away.dtype) * away).sum(-1).mean()

    def encode(self, source: S, users: Tensor) -> Encoding:
        """Vectors of ``users`` [U, D] and of the whole catalogue [I, D] whose dot product is the score."""
        (encoding,) = self.encoder([source], users)
        return encoding

    def fold_in(self, source: S) -> Fold | None:
        """The encoder's rule, if it has one."""
        return self.encoder.fold_in(source) if isinstance(self.encoder, FoldsIn) else None

    @property
    def module(self) -> nn.Module:
        """Itself; the neighbours are found anew from the interactions and not saved."""
        return self


def _first(encoding: Encoding, count: int) -> Encoding:
    layers = tuple(_first(layer, count) for layer in encoding.layers)
    parts = {name: _first(part, count) for name, part in encoding.parts.items()}
    present = None if encoding.present is None else encoding.present[:count]
    return replace(encoding, items=encoding.items[:count], layers=layers, parts=parts, present=present)
