"""RecDCL's batch-wise half: a user's prediction points to what the item was a moment ago, and back (arXiv:2401.15635)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import torch
from annotated_types import Ge, Lt
from pydantic import PositiveInt
from torch import Generator, Tensor, nn
from torch.nn.functional import cosine_similarity, embedding

from recsys_cl.core.errors import Refused
from recsys_cl.core.values import Batch, Encoding, Shape
from recsys_cl.objectives._pairing import refuse_places
from recsys_cl.ops.fresh import linear
from recsys_cl.ops.precision import full_precision


class PastAgreement(nn.Module):
    """``1 - (cos(q(u), i') + cos(q(i), u')) / 2``, mean over queries (Zhang et al. 2024, equation 8).

    ``q`` is a learned linear predictor, ``x'`` is ``momentum`` times the vector that x had when a batch last held it plus
    the rest of its present one, and passes no gradient. Who was never met has no past and counts as present. The past is
    saved with the weights.

    Args:
        dim: the encoder's.
        momentum: share of the past; tau there.

    Relations: ``agreement`` with the method ``bootstrap`` keeps a whole second encoder in place of one past vector a node.
    """

    views = 0
    users: Tensor
    items: Tensor

    def __init__(
        self, *, shape: Shape, rng: Generator, dim: PositiveInt, momentum: Annotated[float, Ge(0), Lt(1)] = 0.1
    ) -> None:
        super().__init__()
        self.dim, self.momentum = dim, momentum
        self.predictor = linear(dim, dim, rng, drawn="normal")
        self.register_buffer("users", torch.zeros(shape.users, dim))
        self.register_buffer("items", torch.zeros(shape.items, dim))

    def forward(self, main: Encoding, views: Sequence[Encoding], batch: Batch[Any]) -> Tensor:  # noqa: ARG002
        """Mean loss of the batch, between 0 and 2; afterwards the batch's vectors are the past."""
        if batch.items is None:
            raise Refused("source: 'past_agreement' needs items of its own batch, not the whole catalogue")
        refuse_places("past_agreement", main, batch)
        ids = batch.items[: batch.positives]
        users = self._moved(self.users, batch.users, main.users)
        items = self._moved(self.items, ids, main.items[: batch.positives])
        asks, answers = embedding(batch.query, main.users), embedding(batch.positive, main.items)
        one = _cosine(self.predictor, asks, embedding(batch.positive, items))
        return 1 - (one + _cosine(self.predictor, answers, embedding(batch.query, users))) / 2

    @torch.no_grad()
    def _moved(self, past: Tensor, ids: Tensor, rows: Tensor) -> Tensor:
        """The target of each of ``rows``; the past becomes the present."""
        present = rows.detach().to(past.dtype)
        target = self.momentum * past[ids] + (1 - self.momentum) * present
        past[ids] = present
        return target


@full_precision
def _cosine(predictor: nn.Module, rows: Tensor, targets: Tensor) -> Tensor:
    return cosine_similarity(predictor(rows), targets.to(rows.dtype), dim=-1).mean()
