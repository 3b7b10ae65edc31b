"""A queue of recent items as further negatives: many more than a batch holds, for nothing (MoCo, CBNS)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal

import torch
from pydantic import PositiveInt
from torch import Generator, Tensor, nn

from recsys_cl.core.build import build
from recsys_cl.core.errors import Refused
from recsys_cl.core.protocols import Objective
from recsys_cl.core.settings import Component
from recsys_cl.core.values import Batch, Encoding, Interactions, Shape
from recsys_cl.objectives._wrapped import hand_on, says


class Queue(nn.Module):
    """Another objective that gets, beside what was drawn for all, the positives of earlier batches as shared negatives.

    Their vectors are those of the step in which they were met, without gradient: item vectors move slowly, so a few
    thousand stay fresh enough (Wang et al. 2021, cross-batch negative sampling, arXiv:2110.15154; He et al. 2020, MoCo,
    arXiv:1911.05722). An item that the present batch holds is taken from the batch, so none is its own negative. The queue is
    saved with the weights.

    Args:
        of: the objective that gets them; ``softmax``, with ``in_batch`` and ``log_q`` there.
        dim: the encoder's.
        size: vectors kept, first in first out.
        keep: whose vectors: the ``main`` encoding's, or those of the first ``view``. Under the method ``bootstrap`` that is the
            target, whose weights follow slowly: the momentum queue of MoCo.

    Relations: in-batch negatives are a queue that remembers nothing.
    """

    vectors: Tensor
    ids: Tensor
    log_q: Tensor

    def __init__(
        self,
        *,
        shape: Shape,
        interactions: Interactions,
        rng: Generator,
        of: Component,
        dim: PositiveInt,
        size: PositiveInt,
        keep: Literal["main", "view"] = "main",
    ) -> None:
        super().__init__()
        self.of: Objective = build("objectives", of, "objectives.of", shape=shape, interactions=interactions, rng=rng)
        if says(self.of, "penalty"):
            raise Refused(f"objectives.of: '{of.use}' is of table rows, which queued vectors have not; put it beside 'queue'")
        if says(self.of, "by_layer"):
            raise Refused(f"objectives.of: '{of.use}' reads negatives layer by layer, and of queued ones the last is known")
        self.keep = keep
        self.views, self.least = max(self.of.views, int(keep == "view")), getattr(self.of, "reads_negatives", 0)
        hand_on(self, self.of)
        counts = torch.bincount(interactions.items, minlength=shape.items)
        self._share = counts.double() / max(1, len(interactions))
        self.register_buffer("vectors", torch.zeros(size, dim))
        self.register_buffer("ids", torch.full((size,), -1))
        self.register_buffer("log_q", torch.zeros(size))

    def forward(self, main: Encoding, views: Sequence[Encoding], batch: Batch[Any]) -> Tensor:
        """The wrapped objective's loss, 0 while the queue is too short; then the batch's positives stand first in it."""
        if batch.items is None or (batch.negative is not None and batch.negative.dim() != 1):
            raise Refused("sampler: 'queue' needs items of its own batch, and negatives, if drawn, to be shared")
        longer, known = self._longer(main, batch, batch.items)
        drawn = 0 if known.negative is None else len(known.negative)
        enough = drawn >= self.least  # in the first steps there may be too few to be told from
        loss = self.of(longer, views, known) if enough else 0 * (main.users.sum() + main.items.sum())
        with torch.no_grad():
            fresh, kept = slice(0, batch.positives), main if self.keep == "main" else views[0]
            self.vectors = torch.cat((kept.items[fresh].detach().to(self.vectors.dtype), self.vectors))[: len(self.ids)]
            self.ids = torch.cat((batch.items[fresh], self.ids))[: len(self.ids)]
            if batch.log_q is not None:
                self.log_q = torch.cat((batch.log_q[fresh].to(self.log_q.dtype), self.log_q))[: len(self.ids)]
        return loss

    def _longer(self, main: Encoding, batch: Batch[Any], items: Tensor) -> tuple[Encoding, Batch[Any]]:
        """The encoding with the queue's vectors below the batch's items, and a batch that counts them as negatives."""
        known = self.ids[self.ids >= 0]
        order = items.argsort()
        place = order[torch.searchsorted(items[order], known).clamp_(max=len(items) - 1)]
        rows = torch.where(items[place] == known, place, len(items) + torch.arange(len(known), device=known.device))
        ids = torch.cat((items, known))
        drawn = rows if batch.negative is None else torch.cat((batch.negative, rows))
        older = self.vectors[: len(known)].to(main.items.dtype)
        longer = replace(main, items=torch.cat((main.items, older)))
        chance = self._log_chance(batch, ids, len(known))
        return longer, replace(batch, items=ids, negative=drawn if len(drawn) else None, log_q=chance)

    def _log_chance(self, batch: Batch[Any], ids: Tensor, queued: int) -> Tensor | None:
        """Log of how likely a negative is to be each of ``ids``: one that was drawn, or one of the ``queued`` positives."""
        share = self._share.to(ids.device)[ids]
        if batch.negative is None:
            return share.log()
        if batch.log_q is None:
            return None
        drawn = len(batch.negative)
        chance = torch.cat((batch.log_q, self.log_q[:queued])).double().exp()
        return ((drawn * chance + queued * share) / (drawn + queued)).log()
