"""Each modality by itself must tell what a user would take: another objective, once for every modality.

Zhou and Shen, 2023, FREEDOM, arXiv:2211.06924, section 3.4, where the objective is BPR.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Generator, Tensor, nn

from recsys_cl.core.build import build
from recsys_cl.core.errors import Refused
from recsys_cl.core.protocols import Objective
from recsys_cl.core.settings import Component
from recsys_cl.core.values import Batch, Encoding, Interactions, Shape
from recsys_cl.objectives._pairing import modalities_of


class EachModality(nn.Module):
    """The objective ``of`` between the users' vectors and one modality of the items, summed over modalities.

    A query whose positive lacks the modality, or one of whose negatives does, is left out there.

    Args:
        of: an objective of queries, positives and drawn negatives that reads no views, such as ``bpr``.
        part: the part of the encoder's encodings whose own parts are the modalities.
    """

    views = 0
    reads_negatives = 1

    def __init__(
        self, *, shape: Shape, interactions: Interactions, rng: Generator, of: Component, part: str = "content"
    ) -> None:
        super().__init__()
        self.of: Objective = build("objectives", of, "objectives.of", shape=shape, interactions=interactions, rng=rng)
        if self.of.views:
            raise Refused(f"objectives.of: '{of.use}' reads views, and a modality has none")
        self.part = part
        self.reads_layers = (part,)

    def forward(self, main: Encoding, views: Sequence[Encoding], batch: Batch[Any]) -> Tensor:  # noqa: ARG002
        """Sum of the modalities' losses."""
        modalities = modalities_of(main, self.part)
        return torch.stack([self._one(main.users, modalities[name], batch) for name in sorted(modalities)]).sum()

    def _one(self, users: Tensor, told: Encoding, batch: Batch[Any]) -> Tensor:
        if batch.negative is None or batch.negative.dim() != 2:
            raise Refused("sampler: 'each_modality' needs negatives of each query's own")
        if told.present is not None:
            kept = told.present[batch.positive] & told.present[batch.negative].all(-1)
            query, positive, negative = batch.query[kept], batch.positive[kept], batch.negative[kept]
            batch = replace(batch, query=query, positive=positive, negative=negative)
        if not len(batch.query):
            return told.items.sum() * 0
        return self.of(Encoding(users, told.items), [], batch)
