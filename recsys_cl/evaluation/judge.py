"""Scores a method on held-out interactions; made once, asked after every epoch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from recsys_cl.core.protocols import Feed, Method, Metric
from recsys_cl.core.values import Interactions
from recsys_cl.evaluation.encode import encode_all
from recsys_cl.evaluation.held_out import hold_out
from recsys_cl.evaluation.rank import rank


class Judge:
    """Metrics per user from the exact full ranking of everyone with at least one held-out item.

    Args:
        truth: what was held out; users without any are left out.
        known: what came before it.
        metrics: what to compute, by name.
        exclude_seen: leave the items of ``known`` out of the rankings.
        budget: bytes of working memory for the ranking.
        model: who is judged, for messages.

    Raises:
        Refused: no user of ``truth`` is in the vocabulary.
    """

    def __init__(
        self,
        truth: Interactions,
        known: Interactions,
        metrics: Sequence[Metric],
        *,
        exclude_seen: bool = True,
        budget: int = 2**30,
        model: str = "the model",
    ) -> None:
        self._held_out = hold_out(truth, known, exclude_seen=exclude_seen)
        self._metrics = tuple(metrics)
        self._k = max(metric.k for metric in metrics)
        self._budget = budget
        self._model = model

    def __call__(self, method: Method[Any], feed: Feed[Any]) -> dict[str, Tensor]:
        """Values [U] of every metric by name, users in the order of their ids."""
        encoding = encode_all(method, feed, self._held_out.users)
        held_out = self._held_out
        ranking, _ = rank(
            encoding, held_out.truth, held_out.seen, self._k, self._budget, self._model, popularity=held_out.popularity
        )
        return {metric.name: metric(ranking) for metric in self._metrics}
