"""The same evidence for machines: JSON without NaN, and one row a recipe and metric."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from recsys_cl.reporting.evidence import Evidence
from recsys_cl.reporting.text import finite

if TYPE_CHECKING:
    import pyarrow as pa


def as_json(evidence: Evidence) -> dict[str, Any]:
    """Everything on the page, with ``headline`` and ``ranked``; what is not finite becomes null."""
    value: dict[str, Any] = sanitised({**asdict(evidence), "headline": evidence.headline, "ranked": evidence.ranked})
    return value


def sanitised(value: Any) -> Any:
    """``value`` with null in place of NaN and infinity, at any depth."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): sanitised(each) for key, each in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [sanitised(each) for each in value]
    return value


def metrics_table(evidence: Evidence) -> pa.Table:
    """One row a recipe and metric on the test part.

    Columns: ``recipe``, ``metric``, ``mean``, ``low``, ``high`` (95 % interval of the mean over users), ``baseline``,
    ``difference``, ``difference_low``, ``difference_high``, ``relative``, ``p`` (Holm), ``effect``, ``reliable``, ``mark``.
    Null where a value was not taken or is not finite.
    """
    import pyarrow as pa

    numbers = ("mean", "low", "high", "difference", "difference_low", "difference_high", "relative", "p", "effect")
    fields = [("recipe", pa.string()), ("metric", pa.string()), *((name, pa.float64()) for name in numbers)]
    fields += [("baseline", pa.string()), ("reliable", pa.bool_()), ("mark", pa.string())]
    rows = [_row(evidence, trial.name, metric) for trial in evidence.trials for metric in trial.test]
    return pa.Table.from_pylist(rows, schema=pa.schema(fields))


def _row(evidence: Evidence, recipe: str, metric: str) -> dict[str, Any]:
    trial = next(t for t in evidence.trials if t.name == recipe)
    low, high = trial.intervals.get(metric, (None, None))
    numbers: dict[str, Any] = {"mean": trial.test[metric], "low": low, "high": high}
    found = evidence.comparison.of(recipe, metric) if evidence.comparison else None
    if found is not None:
        numbers |= {"difference": found.mean, "difference_low": found.low, "difference_high": found.high}
        numbers |= {"relative": found.relative, "p": found.p, "effect": found.effect}
    known = {name: value for name, value in numbers.items() if finite(value)}
    about: dict[str, Any] = {"baseline": evidence.comparison.baseline if evidence.comparison else None}
    about |= {"reliable": found.reliable, "mark": found.mark} if found else {"reliable": None, "mark": ""}
    return {"recipe": recipe, "metric": metric, **known, **about}
