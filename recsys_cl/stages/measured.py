"""What a committed evaluation says of its users, and whether two of them speak of the same ones."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from recsys_cl.core.errors import Refused, nearest

if TYPE_CHECKING:
    import pandas as pd

FACTS = ("user", "user_id", "held_out")
"""Columns of per_user.parquet that are no metrics."""


@dataclass(frozen=True, slots=True, eq=False)
class Measured:
    """One model on one test part, user by user."""

    name: str  # for messages
    values: pd.DataFrame  # a row per user, sorted by the text of their id; a float64 column per metric
    facts: Mapping[str, Any]  # metrics.json
    folder: Path

    @property
    def metrics(self) -> list[str]:
        """Names such as ``ndcg@20``, in the order in which they were asked for."""
        return [str(name) for name in self.values.columns]

    @property
    def digests(self) -> dict[str, str]:
        """What identifies the data: the digest of each part that is known."""
        return {**self.facts.get("digests", {}), "test": str(self.facts["test_digest"])}

    def means(self) -> dict[str, float]:
        """Every metric's mean over the users."""
        return {name: float(self.values[name].mean()) for name in self.metrics}


def read_measured(folder: Path, name: str) -> Measured:
    """Read ``metrics.json`` and ``per_user.parquet`` of an evaluation.

    Raises:
        Refused: one is missing or unreadable, a value is not finite, or it does not say which test part it saw.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        facts = json.loads((folder / "metrics.json").read_text("utf-8"))
        table = pq.read_table(folder / "per_user.parquet", page_checksum_verification=True)
        frame = table.to_pandas().set_index("user_id").sort_index()
    except (OSError, ValueError, KeyError, pa.ArrowException) as error:
        raise Refused(f"{name}: {folder} is not an evaluation: {error}") from error
    if "test_digest" not in facts:
        raise Refused(f"{name}: {folder} does not say on which test part it was measured; run its pipeline again")
    values = frame[[column for column in frame.columns if column not in FACTS]].astype("float64")
    spoilt = [str(column) for column in values if not np.isfinite(values[column]).all()]
    if spoilt:
        raise Refused(f"{name}: {', '.join(spoilt)} is not finite for every user")
    return Measured(name, values, facts, folder)


def refuse_unlike(all_of_them: Sequence[Measured]) -> None:
    """Refuse evaluations that cannot be paired user by user; the message names two that differ, and in what.

    Raises:
        Refused: other parts of the data, other users, or other rules.
    """
    first = all_of_them[0]
    for other in all_of_them[1:]:
        both = f"{first.name} and {other.name}"
        for part in sorted(first.digests.keys() & other.digests.keys()):
            mine, theirs = first.digests[part], other.digests[part]
            if mine != theirs:
                raise Refused(f"{both} stand on different {part} parts ({mine} and {theirs}); measure both on the same data")
        if not first.values.index.equals(other.values.index):
            strange = first.values.index.symmetric_difference(other.values.index)
            counts = f"{len(first.values)} and {len(other.values)}"
            raise Refused(f"{both} were measured on different users ({counts}; only one of them has {list(strange[:3])})")
        rules = [first.facts.get("conventions", {}), other.facts.get("conventions", {})]
        for rule in sorted(rules[0].keys() & rules[1].keys()):
            if rules[0][rule] != rules[1][rule]:
                raise Refused(f"{both} were measured by different rules of {rule} ('{rules[0][rule]}' and '{rules[1][rule]}')")


def refuse_other_metrics(all_of_them: Sequence[Measured]) -> None:
    """Refuse evaluations that cannot stand in one table, naming two and the metrics that only one of them has."""
    first = all_of_them[0]
    for other in all_of_them[1:]:
        missing = sorted(set(first.metrics) ^ set(other.metrics))
        if missing:
            raise Refused(f"{first.name} and {other.name}: only one of them has {', '.join(missing)}")


def refuse_unmeasured(metric: str, measured: Measured) -> None:
    """Refuse a metric that is not there, with the nearest that is."""
    if metric not in measured.metrics:
        raise Refused(f"metric '{metric}' was not measured for {measured.name}; {nearest(metric, measured.metrics)}")


def read_segment_values(measured: Measured) -> dict[tuple[str, str], pd.DataFrame]:
    """Values by (division, segment), a row per user as in `Measured.values`; nothing where the folder keeps none.

    Raises:
        Refused: the file cannot be read.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = measured.folder / "per_segment.parquet"
    if not path.is_file():
        return {}
    try:
        frame = pq.read_table(path, page_checksum_verification=True).to_pandas()
        parts = frame.groupby(["by", "segment"], sort=False, observed=True)
        return {
            (str(by), str(segment)): part.set_index("user_id").sort_index().drop(columns=["by", "segment", "held_out"])
            for (by, segment), part in parts
        }
    except (OSError, ValueError, KeyError, pa.ArrowException) as error:
        raise Refused(f"{measured.name}: {path}: {error}") from error
