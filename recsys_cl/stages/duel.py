"""Two evaluations of the same test part against each other: by metric, by segment, and by what was required."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from torch import Generator

from recsys_cl.core.errors import Refused, nearest
from recsys_cl.evaluation.choosing import of_users, refuse_shared
from recsys_cl.stages.difference import LEVEL, describe
from recsys_cl.stages.measured import Measured, read_segment_values, refuse_unlike
from recsys_cl.stages.requirement import Requirement

if TYPE_CHECKING:
    import pandas as pd

    from recsys_cl.evaluation.compare import Difference


def compare_two(
    ours: Measured,
    theirs: Measured,
    requirements: Sequence[Requirement],
    by_segment: Sequence[str],
    rng: Generator,
    resamples: int = 2000,
) -> dict[str, Any]:
    """The first minus the second, paired user by user: every metric, and by segment those of ``by_segment``.

    Without any of the latter, those that are required, or else the last ndcg: few, because every row weakens the others.

    Returns:
        JSON-able::

            {"a": {"name": …, "digests": {"train": …, "valid": …, "test": …}}, "b": {…}, "users": 943, "confidence": 0.95,
             "metrics": [{"metric": "ndcg@20", "a": 0.104, "b": 0.1, "difference": 0.004, "interval": […], …}],
             "segments": [{"by": "item popularity", "segment": "tail", "users": 512, "metric": "ndcg@20", …}],
             "left_out": ["category: drama"],       # segments that the two do not share, metrics that are not over users
             "requirements": [{"requirement": "ndcg@20 > 0 at 95%", "holds": true, "interval": […], "reliable": true, …}],
             "holds": true}                          # all of them; true without any

        A row of ``metrics`` and ``segments`` goes on as in `recsys_cl.stages.difference.describe`. ``adjusted_p`` is corrected
        (Holm) for all rows of its table.

    Raises:
        Refused: other data, rules or users (naming both), or no common metric, or an unknown one is required.
    """
    refuse_unlike([ours, theirs])
    metrics = common_metrics([ours, theirs], requirements, by_segment)
    divided = list(dict.fromkeys((*(one.metric for one in requirements), *by_segment))) or _headline(metrics)
    judged = [_judge(requirement, ours, theirs, rng) for requirement in requirements]
    segments, left_out = _by_segment(ours, theirs, divided, rng, resamples)
    left_out += [f"{name}: one number of all lists together" for name in ours.metrics if not of_users(name)]
    return {
        **{side: {"name": each.name, "digests": each.digests} for side, each in (("a", ours), ("b", theirs))},
        "users": len(ours.values),
        "confidence": 1 - LEVEL,
        "metrics": _table([({}, ours.values[metrics], theirs.values[metrics])], rng, resamples),
        "segments": segments,
        "left_out": left_out,
        "requirements": judged,
        "holds": all(one["holds"] for one in judged),
    }


def common_metrics(runs: Sequence[Measured], requirements: Sequence[Requirement], others: Sequence[str] = ()) -> list[str]:
    """The metrics over users that all have, among them those that were asked for.

    Raises:
        Refused: there are none, or one that was asked for is not among them.
    """
    metrics = [name for name in runs[0].metrics if of_users(name) and all(name in each.metrics for each in runs)]
    if not metrics:
        raise Refused(f"{' and '.join(each.name for each in runs)} have no metric in common")
    for option, name in (
        *((f"--require '{one.text}'", one.metric) for one in requirements),
        *(("--metric", o) for o in others),
    ):
        refuse_shared(name, option)
        if name not in metrics:
            raise Refused(f"{option}: '{name}' was not measured; {nearest(name, metrics)}")
    return metrics


def _judge(requirement: Requirement, ours: Measured, theirs: Measured, rng: Generator) -> dict[str, Any]:
    from recsys_cl.evaluation.compare import covering_interval

    against = theirs.values[requirement.metric].to_numpy()
    differences = ours.values[requirement.metric].to_numpy() - against
    return requirement.judge(differences, covering_interval(differences, rng, requirement.level), float(against.mean()))


def _headline(metrics: Sequence[str]) -> Sequence[str]:
    return [name for name in metrics if name.startswith("ndcg@")][-1:] or metrics[:1]


def _by_segment(
    ours: Measured, theirs: Measured, metrics: Sequence[str], rng: Generator, resamples: int
) -> tuple[list[dict[str, Any]], list[str]]:
    mine, other = (_divided(read_segment_values(each)) for each in (ours, theirs))
    pairs, left_out = [], [f"{by}: {segment}" for by, segment in other if (by, segment) not in mine]
    for (by, segment), values in mine.items():
        against = other.get((by, segment))
        if against is None or not values.index.equals(against.index):
            left_out.append(f"{by}: {segment}")
            continue
        there = [name for name in metrics if name in values and name in against and values[name].notna().all()]
        pairs.append(({"by": by, "segment": segment, "users": len(values)}, values[there], against[there]))
    return _table(pairs, rng, resamples), left_out


def _divided(values: Mapping[tuple[str, str], pd.DataFrame]) -> Mapping[tuple[str, str], pd.DataFrame]:
    """Without divisions of which only one segment holds anybody; they say what the whole says."""
    segments = Counter(by for by, _ in values)
    return {(by, segment): frame for (by, segment), frame in values.items() if segments[by] > 1}


def _table(
    pairs: Sequence[tuple[dict[str, Any], pd.DataFrame, pd.DataFrame]], rng: Generator, resamples: int
) -> list[dict[str, Any]]:
    """A row for each metric of each pair of frames, corrected for all rows together."""
    rows = [
        (facts | {"metric": str(name), "a": float(a[name].mean()), "b": float(b[name].mean())}, difference)
        for facts, a, b in pairs
        for name, difference in zip(a.columns, _differences(a.to_numpy() - b.to_numpy(), rng, resamples), strict=True)
    ]
    return [
        facts | describe(replace(difference, adjusted=adjusted), facts["b"])
        for (facts, difference), adjusted in zip(rows, _adjusted([difference for _, difference in rows]), strict=True)
    ]


def _differences(values: NDArray[np.float64], rng: Generator, resamples: int) -> list[Difference]:
    from recsys_cl.evaluation.compare import compare_all

    return compare_all(values, rng, resamples) if values.shape[1] else []


def _adjusted(found: Sequence[Difference]) -> Iterator[float]:
    from recsys_cl.evaluation.compare import holm

    yield from map(float, holm(np.array([difference.p for difference in found])))
