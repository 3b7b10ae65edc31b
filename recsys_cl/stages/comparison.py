"""A table says "better" only of what beats the best baseline, user by user, with all its comparisons paid for."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from recsys_cl.core.errors import Refused
from recsys_cl.evaluation.choosing import of_users, refuse_shared
from recsys_cl.stages.difference import LEVEL, UNCOMPARED, describe
from recsys_cl.stages.measured import (
    Measured,
    read_measured,
    refuse_other_metrics,
    refuse_unlike,
    refuse_unmeasured,
)

if TYPE_CHECKING:
    from torch import Generator

STRONG = frozenset({"mf-softmax", "sasrec-softmax"})
"""Learnt recipes without contrast that a contrastive one must beat: what remains of it when its own idea is taken away."""


def compare_evaluations(
    folders: Mapping[str, Path],
    families: Mapping[str, str],
    metric: str,
    rng: Generator,
    *,
    resamples: int = 2000,
    chosen: str | None = None,
) -> dict[str, Any]:
    """Every recipe and metric against the best baseline of ``metric``.

    Baselines are the recipes of the family ``baseline`` and those of `STRONG`; where no other recipe was run, those of
    `STRONG` are what is judged. The best is chosen on the test part itself, for all metrics: that only makes it harder to beat.

    Args:
        folders: evaluations by experiment, in the order of the table.
        families: each experiment's recipe family; others may be there too.
        metric: what the headline is about.
        rng: for the resamples.
        resamples: of the bootstrap and of the sign flips.
        chosen: whom validation prefers and the headline is about; by default whoever is best on the test part.

    Returns:
        JSON-able::

            {"metric": "ndcg@20", "users": 943, "test_digest": "ab…", "resamples": 2000, "confidence": 0.95,
             "test_openings": 7,                                              # of this test part so far; null: not known
             "baselines": ["popular", "ease"], "best_baseline": "ease",       # null without any
             "headline": "xsimgcl beats the best baseline, ease, by +4.1 % [2.9, 5.3] ndcg@20.",
             "rows": [                                                         # recipe by recipe, metric by metric
               {"recipe": "xsimgcl", "metric": "ndcg@20", "mean": 0.104,
                "difference": 0.004, "interval": [0.003, 0.005],               # absolute; percentile bootstrap over users
                "relative": 0.041, "relative_interval": [0.029, 0.053],        # to the baseline's mean; null where that is 0
                "p": 0.0001, "p_flipped": 0.0005, "adjusted_p": 0.004,         # paired t, sign flips, Holm over all rows
                "effect_size": 0.21,                                           # Cohen's d_z; null where infinite
                "decided": 512, "reliable": true,                              # users who differ; enough of them, and of users
                "mark": "higher"}]}                                            # or "lower"; "": not significant, or unreliable

        The rows of the best baseline, and those of coverage and the Gini index, have null from ``difference`` to ``reliable``
        and the mark ``""``.

    Raises:
        Refused: nothing was measured, other data, users or metrics (naming both), or an unknown metric.
    """
    by_name = dict(zip(folders, measured := _read(folders, metric), strict=True))
    baselines = baselines_of({name: families[name] for name in folders})
    best = max(baselines, key=lambda name: by_name[name].means()[metric], default=None)
    rows = _rows(by_name, best, rng, resamples)
    return {
        "metric": metric,
        "users": len(measured[0].values),
        "test_digest": measured[0].digests["test"],
        "test_openings": _openings(measured),
        "resamples": resamples,
        "confidence": 1 - LEVEL,
        "baselines": baselines,
        "best_baseline": best,
        "headline": headline([row for row in rows if row["metric"] == metric], baselines, best, chosen),
        "rows": rows,
    }


def _read(folders: Mapping[str, Path], metric: str) -> list[Measured]:
    if not folders:
        raise Refused("there is no evaluation to compare")
    measured = [read_measured(folder, f"evaluation '{name}'") for name, folder in folders.items()]
    refuse_unlike(measured)
    refuse_other_metrics(measured)
    refuse_unmeasured(metric, measured[0])
    refuse_shared(metric, "the metric that recipes are compared by")
    return measured


def _openings(measured: Sequence[Measured]) -> int | None:
    counts = [count for each in measured if (count := each.facts.get("test_openings")) is not None]
    return max(counts, default=None)


def baselines_of(families: Mapping[str, str]) -> list[str]:
    """Which experiments are baselines, in the given order."""
    plain = [name for name, family in families.items() if family == "baseline"]
    strong = [name for name in families if name in STRONG and name not in plain]
    judged = len(families) - len(plain) - len(strong)
    return [name for name in families if name in plain or (judged and name in strong)]


def headline(rows: Sequence[Mapping[str, Any]], baselines: Collection[str], best: str | None, chosen: str | None = None) -> str:
    """The one honest sentence about the ``rows`` of one metric."""
    judged = [row for row in rows if row["recipe"] not in baselines]
    if best is None or not judged:
        leader = max(rows, key=lambda row: row["mean"])
        what = "No baseline was measured" if best is None else "Only baselines were measured"
        return f"{what}; {leader['recipe']} leads with {leader['mean']:.4f} {leader['metric']}."
    winners = [row for row in judged if row["mark"] == "higher"]
    preferred = [row for row in judged if row["recipe"] == chosen]
    first = max(preferred or winners or judged, key=lambda row: row["mean"])
    if first["mark"] == "higher":
        return f"{first['recipe']} beats the best baseline, {best}, by {_said(first)}."
    if winners:
        other = max(winners, key=lambda row: row["mean"])["recipe"]
        return f"{first['recipe']}, chosen on validation, does not beat {best}: {_said(first)}; {other} does, in hindsight."
    verdict = f"No recipe beats {best} here" if first["reliable"] else f"Too few users to say whether any recipe beats {best}"
    what = "chosen on validation" if preferred else "the best of them"
    doubt = ", which is not significant after Holm's correction" if first["mark"] == "" and first["reliable"] else ""
    return f"{verdict}: {first['recipe']}, {what}, is at {_said(first)}{doubt}."


def _said(row: Mapping[str, Any]) -> str:
    if row["relative"] is None:
        low, high = row["interval"]
        return f"{row['difference']:+.4f} [{low:.4f}, {high:.4f}] {row['metric']}"
    low, high = (100 * end for end in row["relative_interval"])
    return f"{100 * row['relative']:+.1f} % [{low:.1f}, {high:.1f}] {row['metric']}"


def _rows(by_name: Mapping[str, Measured], best: str | None, rng: Generator, resamples: int) -> list[dict[str, Any]]:
    from recsys_cl.evaluation.compare import compare_all

    plain = [
        {"recipe": name, "metric": metric, "mean": mean}
        for name, each in by_name.items()
        for metric, mean in each.means().items()
    ]
    told: list[dict[str, Any]] = [row | UNCOMPARED for row in plain]
    compared = [row for row in told if best not in (None, row["recipe"]) and of_users(row["metric"])]
    if best is None or not compared:
        return told
    theirs = by_name[best].values
    columns = [by_name[row["recipe"]].values[row["metric"]].to_numpy() - theirs[row["metric"]].to_numpy() for row in compared]
    found = compare_all(np.stack(columns, axis=1), rng, resamples)
    for row, difference in zip(compared, found, strict=True):
        row.update(describe(difference, float(theirs[row["metric"]].mean())))
    return told
