"""Whether what came is like what was there: every check with its value, its thresholds and a verdict. Blocks nothing.

Rows of one user hang together, so chance is reckoned with fewer samples than rows: at most as many as there are users.
Each threshold is raised to what chance exceeds once in a thousand, where that is more, so that small files raise no alarm.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from recsys_cl.ingest.engine import Engine
from recsys_cl.ingest.source import OPTIONAL
from recsys_cl.ingest.versions.divergence import (
    Counts,
    broad,
    independent,
    ks,
    ks_by_chance,
    psi,
    psi_by_chance,
    ratio_by_chance,
    share_by_chance,
)

WEEK = 168  # hours
RECENT = 28 * 24  # hours of the version that volume is compared with
_EDGES = 3  # a longer span loses its first and last hour, which are seldom whole
Pair = tuple[pa.Table, pa.Table]
Names = frozenset[str]


@dataclass(frozen=True, slots=True, eq=False)
class Beside:
    """How often each key occurs in the last version and in what came, [K] each, the most frequent key first."""

    before: Counts
    came: Counts


def beside(run: Engine, before: pa.Table, came: pa.Table) -> Beside:
    """Counts of two tables ``key, rows`` (keys may repeat), key by key."""
    import ibis

    old, new = run.table("counts_before", before), run.table("counts_came", came)
    none = ibis.literal(0, "int64")
    both = old.select("key", before="rows", came=none).union(new.select("key", before=none, came="rows"))
    summed = both.group_by("key").aggregate(before=both.before.sum(), came=both.came.sum())
    ordered = run.all(summed.order_by((summed.before + summed.came).desc(), "key").select("before", "came"))
    return Beside(*(ordered[name].cast(pa.float64()).to_numpy() for name in ("before", "came")))


def drift(
    against: int, users: Beside, items: Beside, hours: Pair, ratings: Pair, columns: tuple[Names, Names]
) -> dict[str, Any]:
    """``{"verdict", "against", "checks": [{"name", "value", "warning", "threshold", "verdict"}]}``.

    A value above ``threshold`` is ``drift``, above ``warning`` a ``warning``; the worst check is the verdict. ``against``
    is the number of the version compared with. A check that the data cannot answer is left out.

    Args:
        against: the last version's number.
        users: rows of each user, before and in what came.
        items: rows of each item.
        hours: rows of each hour since 1970 UTC, as ``key, rows``, before and in what came.
        ratings: rows of each rating; empty where there are none.
        columns: the optional columns there were, and that came.
    """
    samples = independent(users.came), independent(users.before)
    checks = [
        _unknown("users", users.before, (users.came > 0).astype(float), (0.9, 0.99), samples[0]),
        _unknown("items", items.before, items.came, (0.5, 0.9), samples[0]),
        *_popularity(items, samples),
        *_time_checks(*hours, samples),
        *_rating_checks(*ratings, samples),
        _check("columns_changed", len(columns[0] ^ columns[1]), 0, len(OPTIONAL)),
    ]
    return verdict(checks, against)


def verdict(checks: list[dict[str, Any]], against: int | None) -> dict[str, Any]:
    """The worst of the checks; ``ok`` where there is nothing to compare with."""
    order = ("ok", "warning", "drift")
    worst = max((order.index(check["verdict"]) for check in checks), default=0)
    return {"verdict": order[worst], "against": against, "checks": checks}


def _check(name: str, value: float, warning: float, threshold: float, chance: float = 0.0) -> dict[str, Any]:
    warning, threshold = max(warning, chance), max(threshold, chance)
    found = "drift" if value > threshold else "warning" if value > warning else "ok"
    rounded = {key: round(number, 6) for key, number in (("value", value), ("warning", warning), ("threshold", threshold))}
    return {"name": name, **rounded, "verdict": found}


def _unknown(name: str, before: Counts, weight: Counts, limits: tuple[float, float], samples: float) -> dict[str, Any]:
    """The share of what came, by weight, that the last version did not know."""
    share = float(weight[before == 0].sum() / weight.sum())
    return _check(f"unknown_{name}", share, *limits, share_by_chance(limits[0], samples))


def _popularity(items: Beside, samples: tuple[float, float]) -> list[dict[str, Any]]:
    """PSI over items: each that takes a hundredth is a bin, the others share ten bins of equal mass.

    Bins follow the popularity in both samples together. By that in the older one alone, what it happened to see often
    would fall back in the newer, and an unchanged log would look changed.
    """
    both = items.before + items.came
    head = int(np.count_nonzero(both >= 0.01 * both.sum()))
    tail = np.cumsum(both[head:]) / max(both[head:].sum(), 1.0)
    bins = np.concatenate((np.arange(head), head + np.minimum(np.floor(tail * 10), 9))).astype(np.int64)
    old, new = (np.bincount(bins, counts) for counts in (items.before, items.came))
    return _histogram_checks("item_popularity_psi", old, new, samples)


def _histogram_checks(name: str, before: Counts, came: Counts, samples: tuple[float, float]) -> list[dict[str, Any]]:
    """The PSI of two histograms, if there is more than one bin when each is broad enough for so many samples."""
    old, new = broad(before, came, min(samples))
    return [_check(name, psi(old, new), 0.1, 0.25, psi_by_chance(len(old), *samples))] if len(old) > 1 else []


def _time_checks(before: pa.Table, came: pa.Table, samples: tuple[float, float]) -> list[dict[str, Any]]:
    """Volume and hour of the week, over the hours that what came covers whole; stragglers from before are left out."""
    old, (hours, rows) = _by_key(before), _by_key(came)
    if rows[hours > old[0].max()].sum() >= rows.sum() / 2:
        hours, rows = hours[hours > old[0].max()], rows[hours > old[0].max()]
    edge = int(hours.max() - hours.min() > _EDGES)
    span = np.arange(hours.min() + edge, hours.max() + 1 - edge)
    inside = (hours >= span[0]) & (hours <= span[-1])
    hours, rows = hours[inside] % WEEK, rows[inside]
    recent = old[0] > old[0].max() - RECENT
    expected = _rates(old[0][recent], old[1][recent])[span % WEEK].sum()
    apart = abs(float(np.log((rows.sum() + 0.5) / (expected + 0.5))))
    checks = [_check("volume_log_ratio", apart, float(np.log(2)), float(np.log(5)), ratio_by_chance(*samples))]
    slots = np.bincount(span % WEEK, minlength=WEEK)
    usual, seen = _rates(*old) * slots, np.bincount(hours, rows, minlength=WEEK)
    covered = (slots > 0) & (usual > 0)
    if not covered.any():
        return checks
    scaled = usual[covered] / usual[covered].sum() * old[1].sum()
    return [*checks, *_histogram_checks("hour_of_week_psi", scaled, seen[covered], samples)]


def _by_key(table: pa.Table) -> tuple[NDArray[Any], Counts]:
    """Distinct keys in rising order, and the rows of each."""
    keys, place = np.unique(table["key"].to_numpy(), return_inverse=True)
    return keys, np.bincount(place, table["rows"].to_numpy()).astype(np.float64)


def _rates(hours: NDArray[np.int64], rows: Counts) -> Counts:
    """Rows an hour at each hour of the week, [168]; the mean over all where the log never was."""
    span = np.arange(hours.min(), hours.max() + 1)
    times = np.bincount(span % WEEK, minlength=WEEK)
    seen = np.bincount(hours % WEEK, rows, minlength=WEEK)
    return np.asarray(np.where(times > 0, seen / np.maximum(times, 1), rows.sum() / len(span)))


def _rating_checks(before: pa.Table, came: pa.Table, samples: tuple[float, float]) -> list[dict[str, Any]]:
    if not (len(before) and len(came)):
        return []
    values, place = np.unique(np.concatenate((before["key"], came["key"])), return_inverse=True)
    old = np.bincount(place[: len(before)], before["rows"].to_numpy(), minlength=len(values))
    new = np.bincount(place[len(before) :], came["rows"].to_numpy(), minlength=len(values))
    return [_check("rating_ks", ks(old, new), 0.1, 0.25, ks_by_chance(*samples))]
