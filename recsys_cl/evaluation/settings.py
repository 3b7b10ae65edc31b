"""What is measured, how deep, and with how much memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field, PositiveInt

from recsys_cl.core.build import build
from recsys_cl.core.settings import Component, Settings

if TYPE_CHECKING:
    from recsys_cl.core.protocols import Metric


class Evaluation(Settings):
    """Every metric is computed at every depth, over all users and by segment."""

    metrics: tuple[str, ...] = Field(("recall", "ndcg", "precision", "hit_rate", "mrr", "map", "coverage"), min_length=1)
    ks: tuple[PositiveInt, ...] = Field((10, 20), min_length=1)
    exclude_seen: bool = True
    memory_mib: PositiveInt = 1024
    segments: tuple[str, ...] = ()  # columns of the item or user table

    @property
    def budget(self) -> int:
        """Bytes of working memory."""
        return self.memory_mib * 2**20


def build_metrics(evaluation: Evaluation, key: str = "evaluation.metrics") -> tuple[Metric, ...]:
    """The metric components, ``recall@10, recall@20, ndcg@10, ...``; errors begin with ``key``."""
    return tuple(
        build("evaluation.metrics", Component(use=name, k=k), f"{key}.{number}")
        for number, name in enumerate(evaluation.metrics)
        for k in evaluation.ks
    )
