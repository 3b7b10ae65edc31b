"""Whose recommendations are good, and of what: every metric by segment, so that the segments add up to the whole."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from recsys_cl.core.protocols import Metric
from recsys_cl.core.values import Ragged, Ranking


@dataclass(frozen=True, slots=True, eq=False)
class Division:
    """Everyone, or everything, falls into exactly one segment."""

    by: str  # such as "history length"
    labels: tuple[str, ...]  # in the order in which they are shown
    of: Tensor  # the label of each evaluated user [U], or of each item [I + 1]; the last one is what is outside the vocabulary


@dataclass(frozen=True, slots=True, eq=False)
class Segment:
    """One row of a table of segments, with the values it is made of."""

    by: str
    segment: str
    rows: Tensor  # [N] of the U evaluated users, those who have something held out in it
    held_out: Tensor  # [N] how much
    values: Mapping[str, Tensor]  # metric -> [N]
    share: Mapping[str, float]  # what it contributes to the mean over all U users: those of a division add up to that mean
    unranked: int = 0  # held-out interactions of users outside the vocabulary, for whom nothing can be ranked

    @property
    def metrics(self) -> dict[str, float]:
        """Means over its users; none in an empty segment."""
        return {name: float(values.mean()) for name, values in self.values.items()} if len(self.rows) else {}

    def as_json(self) -> dict[str, Any]:
        """``by``, ``segment``, the numbers of ``users`` and of what is ``held_out``, ``metrics`` and ``share``."""
        counts = {"users": len(self.rows), "held_out": int(self.held_out.sum()) + self.unranked}
        return {"by": self.by, "segment": self.segment, **counts, "metrics": self.metrics, "share": dict(self.share)}


def user_segments(division: Division, values: Mapping[str, Tensor], held_out: Tensor) -> list[Segment]:
    """``values`` [U] of every metric by segment; ``held_out`` [U] counts the users' held-out items."""
    found = []
    for number, label in enumerate(division.labels):
        rows = (division.of == number).nonzero().flatten()
        inside = {name: each[rows] for name, each in values.items()}
        share = {name: float(each.sum()) / max(len(held_out), 1) for name, each in inside.items()}
        found.append(Segment(division.by, label, rows, held_out[rows], inside, share))
    return found


def item_segments(division: Division, ranking: Ranking, truth: Ragged, metrics: Sequence[Metric]) -> list[Segment]:
    """Metrics by what was held out.

    A segment's ``values`` are those of a test part that holds nothing else, for the users whom it holds something of. Its
    ``share`` divides every user's value among the segments in proportion to what the hits of each would be worth alone; that
    is exact for sums over hits (recall, precision, ndcg), and for others (hit rate, mrr, map) it leaves nothing out.

    Metrics that are not 0 without hits (coverage, novelty, ...) do not speak of what was held out, and are left out.

    Args:
        division: a label for each item.
        ranking: of U users.
        truth: their held-out items, U rows.
        metrics: what to compute.
    """
    counts = _held_out(division, truth)
    nothing = replace(ranking, hits=torch.zeros_like(ranking.hits))
    about_hits = [metric for metric in metrics if not metric(nothing).any()]
    inside = [_hits_in(number, division, ranking) for number in range(len(division.labels))]
    shares = {metric.name: _divide(metric, ranking, inside) for metric in about_hits}
    found = []
    for number, label in enumerate(division.labels):
        rows = counts[number].nonzero().flatten()
        alone = replace(ranking, hits=inside[number], held_out=counts[number])
        values = {metric.name: metric(alone)[rows] for metric in about_hits}
        share = {name: parts[number] for name, parts in shares.items()}
        found.append(Segment(division.by, label, rows, counts[number][rows], values, share))
    return found


def _held_out(division: Division, truth: Ragged) -> Tensor:
    """How many held-out items of each segment every user has, [S, U]."""
    labels, users = division.of[truth.values], len(truth)
    row = torch.arange(users, device=labels.device).repeat_interleave(truth.lengths)
    return torch.bincount(labels * users + row, minlength=len(division.labels) * users).view(-1, users)


def _hits_in(number: int, division: Division, ranking: Ranking) -> Tensor:
    """The hits [U, K] on items of one segment."""
    return ranking.hits & (division.of[ranking.items] == number)  # -1, after the end of a list, is never a hit


def _divide(metric: Metric, ranking: Ranking, inside: Sequence[Tensor]) -> list[float]:
    """The mean of a metric as a sum over segments."""
    whole = metric(ranking)
    alone = torch.stack([metric(replace(ranking, hits=hits)) for hits in inside])  # [S, U]
    hits = torch.stack([hits.sum(1) for hits in inside]).double()
    weights = torch.where(alone.sum(0) > 0, alone, hits)  # hits that are worth nothing alone are worth the same
    parts = whole * weights / weights.sum(0).clamp(min=torch.finfo(torch.float64).tiny)
    return [float(part) for part in parts.sum(1) / len(whole)]
