"""What is measured, how deep, and with how much memory."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Literal

from pydantic import Field, NonNegativeInt, PositiveInt

from recsys_cl.core.build import build
from recsys_cl.core.errors import Refused
from recsys_cl.core.settings import Component, Settings

if TYPE_CHECKING:
    from recsys_cl.core.protocols import Metric

_SAMPLED = re.compile(r"(?P<of>\w+)_s(?P<negatives>[1-9]\d{0,8})")
_COLD = re.compile(r"(?P<of>\w+)_cold")


class Evaluation(Settings):
    """Every metric is computed at every depth, over all users and by segment."""

    metrics: tuple[str, ...] = Field(("recall", "ndcg", "precision", "hit_rate", "mrr", "map", "coverage"), min_length=1)
    ks: tuple[PositiveInt, ...] = Field((10, 20), min_length=1)
    exclude_seen: bool = True
    category: str = "category"  # column of the item table
    category_separator: str = ""  # between the categories of one text; "": each text is one category
    memory_mib: PositiveInt = 1024
    segments: tuple[str, ...] = ()  # columns of the item or user table
    candidates: dict[str, str] = Field(default_factory=dict)  # only items with these values of their columns are ranked
    history: Literal["train", "train+valid"] = "train+valid"  # what is known when the test part is asked
    shots: tuple[NonNegativeInt, ...] = ()  # how many items strangers are known by; see stages/strangers.py

    @property
    def budget(self) -> int:
        """Bytes of working memory."""
        return self.memory_mib * 2**20


def build_metrics(evaluation: Evaluation, key: str = "evaluation.metrics") -> tuple[Metric, ...]:
    """The metric components, ``recall@10, recall@20, ndcg@10, ...``; errors begin with ``key``.

    ``recall_s100`` is ``recall`` among 100 sampled negatives, ``recall_cold`` among cold items. What has no depth is there
    once.
    """
    made = [
        build("evaluation.metrics", _component(name, k), f"{key}.{number}")
        for number, name in enumerate(evaluation.metrics)
        for k in evaluation.ks
    ]
    return tuple({metric.name: metric for metric in made}.values())


def metric_named(metric: str, key: str) -> Metric:
    """The metric component that is called ``metric``, such as ``ndcg@20``; errors begin with ``key``."""
    name, _, depth = metric.partition("@")
    if depth and not depth.isdecimal():
        raise Refused(f"{key}: '{metric}': a metric is called NAME@DEPTH, such as ndcg@20")
    made: Metric = build("evaluation.metrics", _component(name, int(depth or 1)), key)
    return made


def is_sampled(metric: str) -> bool:
    """Whether a metric, named like ``recall_s100`` or ``recall_s100@10``, ranks among sampled negatives."""
    return _SAMPLED.fullmatch(metric.partition("@")[0]) is not None


def _component(name: str, k: int) -> Component:
    sampled, cold = _SAMPLED.fullmatch(name), _COLD.fullmatch(name)
    if cold is not None:
        return Component(use="cold", k=k, of=cold["of"])
    if sampled is None:
        return Component(use=name, k=k)
    return Component(use="sampled", k=k, of=sampled["of"], negatives=int(sampled["negatives"]))
