"""Two evaluations of the same test part against each other: by metric, by segment, and by what was required."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from torch import Generator

from recsys_cl.core.errors import Refused, nearest
from recsys_cl.stages.difference import LEVEL, describe
from recsys_cl.stages.measured import Measured, read_measured, read_segment_values, refuse_unlike
from recsys_cl.stages.reference import evaluation_of
from recsys_cl.stages.requirement import Requirement

if TYPE_CHECKING:
    import pandas as pd

    from recsys_cl.evaluation.compare import Difference


def compare_runs(
    references: tuple[str, str], requirements: Sequence[Requirement], root: Path, tracking_uri: str | None, rng: Generator
) -> dict[str, Any]:
    """Fetch two evaluations and `compare_two` of them.

    Args:
        references: run ids, ``models:/NAME/VERSION`` or folders.
        requirements: what must hold of the first minus the second.
        root: where ``mlruns/`` lies, unless ``tracking_uri`` names another store; it is opened only if it is needed.
        tracking_uri: the store that knows the runs.
        rng: for the resamples.
    """
    from recsys_cl.tracking.store import open_known

    store = cache(lambda: open_known(root, tracking_uri))
    with TemporaryDirectory() as scratch:
        found = []
        for number, reference in enumerate(references):
            place = Path(scratch) / str(number)
            place.mkdir()
            found.append(read_measured(evaluation_of(reference, store, place), reference))
        return compare_two(found[0], found[1], requirements, rng)


def compare_two(
    ours: Measured, theirs: Measured, requirements: Sequence[Requirement], rng: Generator, resamples: int = 2000
) -> dict[str, Any]:
    """The first minus the second, paired user by user.

    Returns:
        JSON-able::

            {"a": {"name": …, "digests": {"train": …, "valid": …, "test": …}}, "b": {…}, "users": 943, "confidence": 0.95,
             "metrics": [{"metric": "ndcg@20", "a": 0.104, "b": 0.1, "difference": 0.004, "interval": […], …}],
             "segments": [{"by": "item popularity", "segment": "tail", "users": 512, "metric": "ndcg@20", …}],
             "left_out": ["category: drama"],       # segments that the two do not share
             "requirements": [{"requirement": "ndcg@20 > 0 at 95%", "holds": true, "interval": […], "reliable": true, …}],
             "holds": true}                          # all of them; true without any

        A row of ``metrics`` and ``segments`` goes on as in `recsys_cl.stages.difference.describe`. ``adjusted_p`` is corrected
        (Holm) for all metrics, and for all segments and metrics, respectively.

    Raises:
        Refused: other data, rules or users (naming both), or no common metric, or an unknown one is required.
    """
    refuse_unlike([ours, theirs])
    metrics = [name for name in ours.metrics if name in theirs.metrics]
    if not metrics:
        raise Refused(f"{ours.name} and {theirs.name} have no metric in common")
    for requirement in requirements:
        name = requirement.metric
        if name not in metrics:
            raise Refused(f"--require '{requirement.text}': '{name}' was not measured; {nearest(name, metrics)}")
    judged = [
        requirement.judge(ours.values[requirement.metric].to_numpy(), theirs.values[requirement.metric].to_numpy(), rng)
        for requirement in requirements
    ]
    segments, left_out = _by_segment(ours, theirs, metrics, rng, resamples)
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


def _by_segment(
    ours: Measured, theirs: Measured, metrics: Sequence[str], rng: Generator, resamples: int
) -> tuple[list[dict[str, Any]], list[str]]:
    mine, other = (read_segment_values(each) for each in (ours, theirs))
    pairs, left_out = [], [f"{by}: {segment}" for by, segment in other if (by, segment) not in mine]
    for (by, segment), values in mine.items():
        against = other.get((by, segment))
        if against is None or not values.index.equals(against.index):
            left_out.append(f"{by}: {segment}")
            continue
        there = [name for name in metrics if name in values and name in against and values[name].notna().all()]
        pairs.append(({"by": by, "segment": segment, "users": len(values)}, values[there], against[there]))
    return _table(pairs, rng, resamples), left_out


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
