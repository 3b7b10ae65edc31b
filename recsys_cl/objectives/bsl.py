"""Bilateral softmax loss: positives and negatives are hedged against noise apart (Wu et al. 2023, arXiv:2312.12882)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from annotated_types import Gt
from torch import Tensor
from torch.nn.functional import embedding

from recsys_cl.core.values import Batch, Encoding
from recsys_cl.objectives._scores import drawn, log_mean_exp, mean_where
from recsys_cl.ops.shared_softmax import shared_softmax
from recsys_cl.ops.similarity import Similarity, Temperature, against, checked_temperature, lift
from recsys_cl.ops.twice import must_be_twice_differentiable


class BSL:
    """``-s(u,p)/tau + balance * log mean_n exp(s(u,n)/tau)``, mean over queries.

    The paper gives each side its own temperature, ``-tau1 log E exp(s(u,p)/tau1) + tau2 log E exp(s(u,n)/tau2)``. With one
    positive a query, tau1 is only a factor; what is left is how much the negatives weigh, which the authors' code
    (junkangwu/BSL, mode ``reweight``) sets by a power of their sum: 1.12 on Yelp2018. Sum or mean differ by a constant.

    Args:
        temperature: tau of the negatives.
        balance: that power; 1 is the paper's softmax loss (the positive is not in the denominator).
        similarity: cosine there.
        in_batch: take the batch's other positives for negatives where none are drawn, as the authors do with LightGCN.

    Relations: ``softmax`` has the positive in the denominator and no balance; ``decoupled`` contrasts two encodings.
    """

    views = 0
    below_zero = True

    def __init__(
        self,
        *,
        temperature: Temperature = 0.1,
        balance: Annotated[float, Gt(0)] = 1.0,
        similarity: Similarity = "cosine",
        in_batch: bool = False,
    ) -> None:
        self.temperature = checked_temperature(temperature)
        self.balance = checked_temperature(balance, "balance")
        self.similarity = similarity
        self.in_batch, self.reads_negatives = in_batch, int(not in_batch)

    def __call__(self, main: Encoding, views: Sequence[Encoding], batch: Batch[Any]) -> Tensor:  # noqa: ARG002
        """Mean loss of the batch; a query all of whose negatives are accidental hits has none and costs nothing."""
        negative = drawn(batch, in_batch=self.in_batch)
        users, items = lift(main.users, main.items, self.similarity)
        asks, answers = embedding(batch.query, users) / self.temperature, embedding(batch.positive, items)
        rows = embedding(negative, items)
        if negative.dim() == 1 and not must_be_twice_differentiable():
            return shared_softmax(asks, answers, rows, (batch.positive, negative), balance=self.balance)
        kept = negative != batch.positive.unsqueeze(-1)
        missed = log_mean_exp(against(asks, rows), kept)
        return mean_where(self.balance * missed - (asks * answers).sum(-1), kept.any(-1))
