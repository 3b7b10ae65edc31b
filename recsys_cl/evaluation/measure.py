"""Vectors and what was held out become every metric's values, each ingredient made only if some metric reads it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from torch import Tensor

from recsys_cl.core.errors import Refused
from recsys_cl.core.protocols import Metric
from recsys_cl.core.values import Encoding, Ragged, Ranking
from recsys_cl.evaluation.among_cold import among_cold
from recsys_cl.evaluation.held_out import HeldOut
from recsys_cl.evaluation.shares import rank_shares, stand_shares
from recsys_cl.ops.csr import is_sparse
from recsys_cl.ops.ranks import ALONE, Ranks


@dataclass(frozen=True, slots=True, eq=False)
class Measured:
    """One ranking and what the metrics make of it."""

    ranking: Ranking
    scores: Tensor  # [U, K] of the ranked items, fp32
    values: dict[str, Tensor]  # metric name -> [U]


def measure(
    encoding: Encoding,
    held_out: HeldOut,
    metrics: Sequence[Metric],
    budget: int,
    model: str,
    categories: Ragged | None = None,
    ranks: Ranks = ALONE,
) -> Measured:
    """Rank the whole catalogue for the users of ``held_out`` and compute every metric.

    Args:
        encoding: vectors of those users [U, D], in their order, and of the catalogue [I, D].
        held_out: right answers, history and popularity.
        metrics: what to compute.
        budget: bytes of working memory.
        model: whose vectors these are, for messages.
        categories: of each item, I rows; None: not known.
        ranks: processes with the same arguments, which rank some users each and measure all of them.

    Raises:
        Refused: a metric reads categories that are not there, or vectors as long as a large catalogue; scores are not finite,
            or the budget is too small.
    """
    require(metrics, categories)
    for metric in metrics:
        if "vectors" in metric.reads and is_sparse(encoding.users):
            width = encoding.users.shape[1]
            raise Refused(
                f"evaluation.metrics: '{metric.name}' reads item vectors; those of {model} have {width:,} numbers each"
            )
    depth = max(1, *(metric.k for metric in metrics), 1)
    ranking, scores = rank_shares(encoding, held_out, depth, budget, model, ranks)
    ranking = replace(ranking, history=held_out.history, categories=categories, vectors=encoding.items)
    if any("standing" in metric.reads for metric in metrics):  # a second pass over all scores
        counted = stand_shares(encoding, held_out, budget, model, ranks)
        ranking = replace(ranking, standing=counted)
    if any("cold" in metric.reads for metric in metrics):
        ranking = replace(ranking, cold=among_cold(encoding, held_out, depth, budget, model))
    return Measured(ranking, scores, {metric.name: metric(ranking) for metric in metrics})


def require(metrics: Sequence[Metric], categories: Ragged | None) -> None:
    """Refuse metrics that read what the data set does not have."""
    for metric in metrics:
        if "categories" in metric.reads and categories is None:
            raise Refused(
                f"evaluation.metrics: '{metric.name}' reads the items' categories, which are not known; "
                "evaluation.category names the column of the item table that holds them"
            )
