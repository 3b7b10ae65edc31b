"""Softmax loss: each query picks its item among the catalogue, the batch's items, or drawn negatives."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import embedding

from recsys_cl.core.errors import Refused
from recsys_cl.core.values import Batch, Encoding, Interactions
from recsys_cl.ops.sampled_softmax import sampled_softmax
from recsys_cl.ops.similarity import Similarity, Temperature, checked_temperature
from recsys_cl.ops.softmax import softmax


class Softmax:
    """``-log exp(s(u,p)/tau) / sum_j exp(s(u,j)/tau)``, mean over queries; what ``j`` ranges over follows the batch.

    The whole catalogue where the batch asks for it (``items`` None), the positive and the drawn negatives where there
    are any, and otherwise the distinct positives of the batch.

    Args:
        temperature: divides the similarities.
        similarity: dot product for sequences, usually cosine for tables and graphs.
        log_q: weigh each negative by one over how often it is expected, so that the denominator estimates the full
            softmax's (Bengio & Senécal 2008; Yi et al. 2019, section 3). The positive is there anyway and not corrected.
        in_batch: count the batch's positives as negatives too, where negatives are drawn (mixed negative sampling,
            Yang et al. 2020, WWW companion).

    Relations: ``info_nce`` contrasts two encodings of one thing. ``bpr`` is the case of one negative, tau 1.
    """

    views = 0

    def __init__(
        self,
        *,
        interactions: Interactions,
        temperature: Temperature = 1.0,
        similarity: Similarity = "dot",
        log_q: bool = False,
        in_batch: bool = False,
    ) -> None:
        self.temperature = checked_temperature(temperature)
        self.similarity = similarity
        self.log_q = log_q
        self.in_batch = in_batch
        self.mean_of_queries = not log_q  # how often a positive is expected depends on how many queries there are
        counts = torch.bincount(interactions.items, minlength=interactions.shape.items)
        self.share = counts.double() / max(1, len(interactions))

    def __call__(self, main: Encoding, views: Sequence[Encoding], batch: Batch[Any]) -> Tensor:  # noqa: ARG002
        """Mean loss of the batch."""
        queries, tau = embedding(batch.query, main.users), self.temperature
        if batch.items is None:
            return softmax(queries, main.items, batch.positive, temperature=tau, similarity=self.similarity)
        if batch.negative is None and not self.log_q:
            return softmax(queries, main.items[: batch.positives], batch.positive, temperature=tau, similarity=self.similarity)
        drawn = batch.positive[:0] if batch.negative is None else batch.negative
        in_batch = batch.positives if self.in_batch or batch.negative is None else 0
        log_expected = self._log_expected(batch, batch.items, drawn, in_batch) if self.log_q else None
        return sampled_softmax(
            queries,
            main.items,
            batch.positive,
            drawn,
            log_expected=log_expected,
            in_batch=in_batch,
            temperature=tau,
            similarity=self.similarity,
        )

    def _log_expected(self, batch: Batch[Any], items: Tensor, drawn: Tensor, in_batch: int) -> Tensor:
        """Log of how often each item row is expected among a query's negatives, [M]."""
        expected = torch.zeros(len(items), dtype=torch.float64, device=items.device)
        if in_batch:  # a distinct row is there once or not at all: 1 - (1 - share)^B
            expected -= torch.expm1(len(batch.query) * torch.log1p(-self.share[items]))
        if drawn.numel():
            if batch.log_q is None:
                raise Refused("softmax.log_q: the sampler gives no probabilities")
            expected += drawn.shape[-1] * batch.log_q.double().exp()
        return expected.log()
