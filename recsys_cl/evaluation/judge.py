"""Scores a method on held-out interactions; made once, asked after every epoch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from recsys_cl.core.protocols import Feed, Method, Metric
from recsys_cl.core.values import Interactions, Ragged
from recsys_cl.evaluation.candidates import Candidates
from recsys_cl.evaluation.encode import encode_all
from recsys_cl.evaluation.held_out import hold_out
from recsys_cl.evaluation.measure import measure, require
from recsys_cl.ops.ranks import ALONE, Ranks


class Judge:
    """Metrics per user from the exact full ranking of everyone with at least one held-out item.

    Args:
        truth: what was held out; users without any are left out.
        known: what came before it.
        metrics: what to compute, by name.
        exclude_seen: leave the items of ``known`` out of the rankings.
        budget: bytes of working memory for the ranking.
        model: who is judged, for messages.
        categories: of each item, for the metrics that read them.
        candidates: the items that are ranked; None: all are.
        ranks: processes that rank some users each; all get the values of all.

    Raises:
        Refused: no user of ``truth`` is in the vocabulary, or a metric reads categories and there are none.
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
        categories: Ragged | None = None,
        candidates: Candidates | None = None,
        ranks: Ranks = ALONE,
    ) -> None:
        require(metrics, categories)
        if candidates is not None:
            truth, known, categories = candidates.among(truth), candidates.among(known), candidates.rows(categories)
        self._held_out = hold_out(truth, known, exclude_seen=exclude_seen)
        self._candidates = candidates
        self._metrics = tuple(metrics)
        self._budget = budget
        self._model = model
        self._categories = categories
        self._ranks = ranks

    def __call__(self, method: Method[Any], feed: Feed[Any]) -> dict[str, Tensor]:
        """Values [U] of every metric by name, users in the order of their ids."""
        held_out, candidates = self._held_out, self._candidates
        encoding = encode_all(method, feed, held_out.users, self._ranks)
        encoding = encoding if candidates is None else candidates.of(encoding)
        return measure(encoding, held_out, self._metrics, self._budget, self._model, self._categories, self._ranks).values
