"""Dynamic hard negatives: of many candidates drawn, only those the model now scores highest (Zhang et al. 2013, DNS)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, Any

import torch
from annotated_types import Ge
from torch import Generator, Tensor, nn
from torch.nn.functional import embedding

from recsys_cl.core.build import build
from recsys_cl.core.errors import Refused
from recsys_cl.core.protocols import Objective
from recsys_cl.core.settings import Component
from recsys_cl.core.values import Batch, Encoding, Interactions, Shape
from recsys_cl.objectives._wrapped import hand_on
from recsys_cl.ops.similarity import Similarity, against, lift


class Hardest(nn.Module):
    """Another objective on the ``keep`` candidates of each query that score highest, from doi:10.1145/2484028.2484126.

    The sampler draws K candidates, this chooses among them and passes no gradient through the choice. One kept of K
    uniform candidates optimises the top of the ranking: the larger K, the nearer the top (Shi et al. 2023,
    arXiv:2302.03472). A candidate that is the query's own positive is never chosen while there is another.

    Args:
        of: the objective that gets the chosen negatives; ``bpr`` there.
        keep: how many are chosen, 1 in DNS.
        similarity: what a score is in the choice.

    Relations: ``softmax`` weighs all K by how hard they are; this takes the limit. Wrap ``l2`` as well where only the rows
    in use should shrink.
    """

    def __init__(
        self,
        *,
        shape: Shape,
        interactions: Interactions,
        rng: Generator,
        of: Component,
        keep: Annotated[int, Ge(1)] = 1,
        similarity: Similarity = "dot",
    ) -> None:
        super().__init__()
        self.of: Objective = build("objectives", of, "objectives.of", shape=shape, interactions=interactions, rng=rng)
        if (needed := getattr(self.of, "reads_negatives", 0)) > keep:
            raise Refused(f"objectives.keep: '{of.use}' reads {needed} negatives for each query, and {keep} are kept")
        self.views = self.of.views
        hand_on(self, self.of)
        self.keep = self.reads_negatives = keep
        self.similarity = similarity

    def forward(self, main: Encoding, views: Sequence[Encoding], batch: Batch[Any]) -> Tensor:
        """The wrapped objective's loss."""
        return self.of(main, views, replace(batch, negative=self._chosen(main, batch)))

    @torch.no_grad()
    def _chosen(self, main: Encoding, batch: Batch[Any]) -> Tensor:
        """Rows of the chosen negatives, [B, keep]."""
        if batch.negative is None or batch.negative.shape[-1] < self.keep:
            raise Refused(f"sampler.negatives: 'hardest' chooses {self.keep} and fewer are drawn")
        users, items = lift(main.users, main.items, self.similarity)
        drawn = batch.negative.expand(len(batch.query), -1)
        scores = against(embedding(batch.query, users), embedding(batch.negative, items))
        own = drawn == batch.positive.unsqueeze(-1)
        return drawn.gather(1, scores.masked_fill(own, -torch.inf).topk(self.keep, -1, sorted=False).indices)
