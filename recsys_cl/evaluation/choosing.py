"""By which metrics anything is chosen: those of which more is better and, among users, those that each user has a value of."""

from __future__ import annotations

from typing import TYPE_CHECKING

from recsys_cl.core.errors import Refused
from recsys_cl.evaluation.settings import is_sampled, metric_named

if TYPE_CHECKING:
    from recsys_cl.core.protocols import Metric

SHARED = ("coverage", "gini")
"""Metrics of all lists together: their values per user are shares of one total, not draws whose mean has an interval."""


def of_users(metric: str) -> bool:
    """Whether a metric is a mean over users who are judged by themselves, so that it can be tested over users."""
    return metric.partition("@")[0] not in SHARED


def refuse_shared(metric: str, what: str) -> None:
    """Refuse to test over users what is a number of all lists together; ``what`` asks for it."""
    if not of_users(metric):
        raise Refused(f"{what}: '{metric}' is one number of all lists together, which no test over users can compare")


def refuse_choice(metric: Metric, what: str) -> None:
    """Refuse to choose by a metric unless it ranks the whole catalogue and more of it is better; ``what`` asks for it."""
    if is_sampled(metric.name):
        raise Refused(f"{what}: '{metric.name}' is measured among sampled negatives, which is biased; choose by a full one")
    larger = getattr(metric, "larger_is_better", None)  # one from outside the package may not say
    if not larger:
        why = "less of it is better" if larger is False else "it is undecided whether more of it is better"
        raise Refused(f"{what}: '{metric.name}' is nothing to choose by: {why}")


def larger_is_better(metric: str) -> bool | None:
    """Whether more of a metric, named like ``ndcg@20``, is better; None: undecided, or the metric is not of this package."""
    try:
        return metric_named(metric, "metric").larger_is_better
    except Refused:
        return None
