"""Whose recommendations are good, and of what: every metric by segment, so that the segments add up to the whole."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from recsys_cl.core.protocols import Metric
from recsys_cl.core.values import Ragged, Ranking, Shape

_PER_USER = frozenset({"cold", "history", "standing"})
"""What a metric may read of a ranking that has a part for each user, besides the lists."""

_HITS_ELSEWHERE = frozenset({"cold", "standing"})
"""What a metric may read that holds hits of its own: those of the lists say nothing of it."""


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


def about_hits(metrics: Sequence[Metric], ranking: Ranking) -> list[Metric]:
    """The metrics that are 0 for everyone without hits: those that speak of what was held out (not coverage, novelty, ...)."""
    nothing = replace(ranking, hits=torch.zeros_like(ranking.hits))
    of_lists = [metric for metric in metrics if not _HITS_ELSEWHERE.intersection(getattr(metric, "reads", ()))]
    return [metric for metric in of_lists if not metric(nothing).any()]


def item_segments(division: Division, ranking: Ranking, truth: Ragged, metrics: Sequence[Metric]) -> list[Segment]:
    """Metrics by what was held out.

    A segment's ``values`` are those of a test part that holds nothing else, for the users whom it holds something of. Its
    ``share`` divides every user's value among the segments in proportion to what the hits of each would be worth alone; that
    is exact for sums over hits (recall, precision, ndcg), and for others (hit rate, mrr, map) it leaves nothing out.

    Args:
        division: a label for each item.
        ranking: of U users.
        truth: their held-out items, U rows.
        metrics: what to compute; see `about_hits`.
    """
    counts = _held_out(division, truth)
    inside = [ranking.hits & (division.of[ranking.items] == number) for number in range(len(division.labels))]
    only = [_values(metrics, ranking, hits, count) for hits, count in zip(inside, counts, strict=True)]
    worth = [_values(metrics, ranking, hits, ranking.held_out) for hits in inside]
    hits = torch.stack([hits.sum(1) for hits in inside]).double()
    shares = {m.name: _divide(m(ranking), torch.stack([each[m.name] for each in worth]), hits) for m in metrics}
    found = []
    for number, label in enumerate(division.labels):
        rows = counts[number].nonzero().flatten()
        values = {name: each[rows] for name, each in only[number].items()}
        share = {name: parts[number] for name, parts in shares.items()}
        found.append(Segment(division.by, label, rows, counts[number][rows], values, share))
    return found


def _held_out(division: Division, truth: Ragged) -> Tensor:
    """How many held-out items of each segment every user has, [S, U]."""
    labels, users = division.of[truth.values], len(truth)
    row = torch.arange(users, device=labels.device).repeat_interleave(truth.lengths)
    return torch.bincount(labels * users + row, minlength=len(division.labels) * users).view(-1, users)


def _values(metrics: Sequence[Metric], ranking: Ranking, hits: Tensor, held_out: Tensor) -> dict[str, Tensor]:
    """Values [U] of metrics that are 0 without hits, so that only who has some need be asked."""
    whole = replace(ranking, hits=hits, held_out=held_out)
    rows = hits.any(1).nonzero().flatten()
    shape = Shape(len(rows), ranking.shape.items)
    some = replace(whole, items=ranking.items[rows], hits=hits[rows], held_out=held_out[rows], shape=shape)
    found = {}
    for metric in metrics:
        if _PER_USER.intersection(getattr(metric, "reads", ())):
            found[metric.name] = metric(whole)
        else:
            found[metric.name] = torch.zeros(len(hits), dtype=torch.float64, device=hits.device)
            found[metric.name][rows] = metric(some)
    return found


def _divide(whole: Tensor, alone: Tensor, hits: Tensor) -> list[float]:
    """The mean of ``whole`` [U] as a sum over segments, by what hits are worth ``alone`` [S, U], else by ``hits``."""
    weights = torch.where(alone.sum(0) > 0, alone, hits)
    parts = whole * weights / weights.sum(0).clamp(min=torch.finfo(torch.float64).tiny)
    return [float(part) for part in parts.sum(1) / len(whole)]
