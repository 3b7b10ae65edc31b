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
        if getattr(self.of, "penalty", False):
            raise Refused(f"objectives.of: '{of.use}' is of table rows, which queued vectors have not; put it beside 'queue'")
        self.keep = keep
        self.views, self.reads_layers = max(self.of.views, int(keep == "view")), getattr(self.of, "reads_layers", ())
        counts = torch.bincount(interactions.items, minlength=shape.items)
        self._share = counts.double() / max(1, len(interactions))
        self.register_buffer("vectors", torch.zeros(size, dim))
        self.register_buffer("ids", torch.full((size,), -1))
        self.register_buffer("log_q", torch.zeros(size))

    def forward(self, main: Encoding, views: Sequence[Encoding], batch: Batch[Any]) -> Tensor:
        """The wrapped objective's loss; afterwards the batch's positives stand first in the queue."""
        if batch.items is None or (batch.negative is not None and batch.negative.dim() != 1):
            raise Refused("sampler: 'queue' needs items of its own batch, and negatives, if drawn, to be shared")
        loss = self.of(*self._longer(main, views, batch, batch.items))
        with torch.no_grad():
            fresh, kept = slice(0, batch.positives), main if self.keep == "main" else views[0]
            self.vectors = torch.cat((kept.items[fresh].detach().to(self.vectors.dtype), self.vectors))[: len(self.ids)]
            self.ids = torch.cat((batch.items[fresh], self.ids))[: len(self.ids)]
            if batch.log_q is not None:
                self.log_q = torch.cat((batch.log_q[fresh].to(self.log_q.dtype), self.log_q))[: len(self.ids)]
        return loss

    def _longer(
        self, main: Encoding, views: Sequence[Encoding], batch: Batch[Any], items: Tensor
    ) -> tuple[Encoding, Sequence[Encoding], Batch[Any]]:
        """The encoding with the queue's vectors below the batch's items, and a batch that counts them as negatives."""
        known = self.ids[self.ids >= 0]
        order = items.argsort()
        place = order[torch.searchsorted(items[order], known).clamp_(max=len(items) - 1)]
        rows = torch.where(items[place] == known, place, len(items) + torch.arange(len(known), device=known.device))
        ids = torch.cat((items, known))
        drawn = rows if batch.negative is None else torch.cat((batch.negative, rows))
        older = self.vectors[: len(known)].to(main.items.dtype)
        longer = replace(main, items=torch.cat((main.items, older)))
        return longer, views, replace(batch, items=ids, negative=drawn, log_q=self._log_chance(batch, ids, len(known)))

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
