"""Softmax loss at K: a pair counts as much as it belongs to its user's top K (Yang et al. 2025, KDD, SL@K)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from pydantic import PositiveInt
from torch import Tensor

from recsys_cl.core.errors import Refused
from recsys_cl.core.values import Batch, Encoding
from recsys_cl.objectives._scores import scores
from recsys_cl.ops.similarity import Similarity, Temperature, checked_temperature


class SLatK:
    """``sigmoid((s(u,p) - beta_u) / tau_w) * log sum_n exp((s(u,n) - s(u,p)) / tau)``, mean over queries.

    ``beta_u`` is the score of the k-th best among the positive and the drawn negatives, and passes no gradient; the weight
    does. The authors' code (Tiny-Snow/IR-Benchmark) also ranks the user's other items and takes beta anew only every few
    epochs; here it is that of the step, and nothing has to be remembered.

    Args:
        temperature: tau.
        weight_temperature: tau_w; large: all pairs weigh one half, the plain softmax loss.
        k: how long the list is that matters.
        similarity: cosine there.

    Relations: ``bsl`` with balance 1 but for the weight and a constant. Begin with weights trained by ``softmax`` where the
    weights of early steps mislead.
    """

    views = 0
    below_zero = True
    mean_of_queries = True

    def __init__(
        self,
        *,
        temperature: Temperature = 0.1,
        weight_temperature: Temperature = 1.0,
        k: PositiveInt = 20,
        similarity: Similarity = "cosine",
    ) -> None:
        self.temperature = checked_temperature(temperature)
        self.weight_temperature = checked_temperature(weight_temperature, "weight_temperature")
        self.k = self.reads_negatives = k
        self.similarity = similarity

    def __call__(self, main: Encoding, views: Sequence[Encoding], batch: Batch[Any]) -> Tensor:  # noqa: ARG002
        """Mean loss of the batch; a query all of whose negatives are accidental hits costs nothing."""
        hit, missed, kept = scores(main, batch, self.similarity)
        if missed.shape[1] < self.k:
            raise Refused(f"sampler.negatives: 'slatk' ranks {self.k} and {missed.shape[1]} are drawn")
        listed = torch.cat((hit, missed.masked_fill(~kept, -torch.inf)), -1).detach()
        weight = ((hit - listed.topk(self.k, -1).values[:, -1:]) / self.weight_temperature).sigmoid().squeeze(-1)
        wrong = ((missed - hit) / self.temperature).masked_fill(~kept, -1e30).logsumexp(-1)
        return (weight * wrong).where(kept.any(-1), 0.0).mean()
