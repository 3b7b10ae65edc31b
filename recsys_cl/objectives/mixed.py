"""MixGCF: a hard negative is put together from several items, hop by hop (Huang et al. 2021, doi:10.1145/3447548.3467408)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Generator, Tensor, nn
from torch.nn.functional import embedding

from recsys_cl.core.build import build
from recsys_cl.core.errors import Refused
from recsys_cl.core.protocols import Objective
from recsys_cl.core.settings import Component
from recsys_cl.core.values import Batch, Encoding, Interactions, Shape
from recsys_cl.objectives._wrapped import hand_on, says
from recsys_cl.ops.similarity import against


class Mixed(nn.Module):
    """Another objective on one synthetic negative a query, made from its K drawn candidates.

    In every layer each candidate is first pulled towards the positive, ``a p + (1 - a) n`` with a uniform ``a`` for each
    query and layer (positive mixing); then the candidate that answers the user best gives its vector of that layer
    (hop mixing). The negative is the sum of its layers' vectors, weighed as the encoder weighs them. Gradients reach
    every item that gave a layer, and the positive.

    The state of its own generator is saved with the weights, so an interrupted run goes on with the same draws.

    Args:
        of: the objective that gets the negative, one for each query; ``bpr`` there.

    Relations: with one layer and ``a`` = 0 it is ``hardest``.
    """

    reads_negatives = 1
    by_layer = True

    def __init__(self, *, shape: Shape, interactions: Interactions, rng: Generator, of: Component) -> None:
        super().__init__()
        self.of: Objective = build("objectives", of, "objectives.of", shape=shape, interactions=interactions, rng=rng)
        if says(self.of, "penalty"):
            raise Refused(f"objectives.of: '{of.use}' is of table rows, which made vectors have not; put it beside 'mixed'")
        if says(self.of, "reads_ids") or says(self.of, "by_layer"):
            raise Refused(f"objectives.of: '{of.use}' asks which items the negatives are, and made ones are none")
        self.views = self.of.views
        hand_on(self, self.of)
        self._rng = torch.Generator().manual_seed(int(torch.randint(2**62, (), generator=rng)))

    def forward(self, main: Encoding, views: Sequence[Encoding], batch: Batch[Any]) -> Tensor:
        """The wrapped objective's loss."""
        if batch.negative is None:
            raise Refused("sampler: 'mixed' mixes drawn negatives and the recipe draws none")
        made = self._made(main, batch)
        rows = len(main.items) + torch.arange(len(made), device=made.device)
        return self.of(
            replace(main, items=torch.cat((main.items, made))), views, replace(batch, negative=rows[:, None], log_q=None)
        )

    def _made(self, main: Encoding, batch: Batch[Any]) -> Tensor:
        """One negative for each query, [B, D]."""
        layers, shares = (main.layers, main.shares) if main.layers else ((main,), (1.0,))
        if len(shares) != len(layers):
            raise Refused(
                "encoder: 'mixed' mixes layer by layer, and this one's vectors are no sum of them; 'lightgcn' has such"
            )
        asks = embedding(batch.query, main.users).detach()
        towards = torch.rand(len(layers), len(asks), 1, generator=self._rng).to(asks.device, asks.dtype)
        hops = [self._hop(layer.items, asks, batch, own) for layer, own in zip(layers, towards, strict=True)]
        return torch.stack([share * hop for share, hop in zip(shares, hops, strict=True)]).sum(0)

    @staticmethod
    def _hop(items: Tensor, asks: Tensor, batch: Batch[Any], share: Tensor) -> Tensor:
        """One layer of the negatives, [B, D]. All candidates share the positive's part: they compare without it."""
        assert batch.negative is not None
        drawn = batch.negative.expand(len(asks), -1)
        with torch.no_grad():
            scores = against(asks, embedding(batch.negative, items))
            best = scores.masked_fill(drawn == batch.positive.unsqueeze(-1), -torch.inf).argmax(-1, keepdim=True)
        found = embedding(drawn.gather(1, best).squeeze(1), items)
        return share * embedding(batch.positive, items) + (1 - share) * found

    def get_extra_state(self) -> Tensor:
        """Where its generator stands."""
        return self._rng.get_state()

    def set_extra_state(self, state: Tensor) -> None:
        """Put the generator back."""
        self._rng.set_state(state.cpu())
