"""What a person asks of a data set before trusting a number made from it; counts only, no drawing."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from recsys_cl.ingest.preparing.coded_log import PARTS
from recsys_cl.ingest.preparing.kcore import distinct
from recsys_cl.ingest.preparing.preparation import Part, Prepared

if TYPE_CHECKING:
    from recsys_cl.core.values import Shape

PERIODS = 60
"""At most so many bars in the chart of events over time."""


def data_report(prepared: Prepared) -> dict[str, Any]:
    """Facts about a prepared data set, JSON-able.

    Keys: ``users``, ``items``, ``unmet_items`` (known by content alone), ``density``; ``rows`` (logged, and removed or left
    by each step); ``parts`` (per part interactions, distinct warm users and items, cold ones, first and last time, ties);
    ``tied_times``; ``item_popularity`` and ``user_activity`` (percentiles, share of the top, histogram by powers of two);
    ``periods`` (events over time).
    """
    shape, train = prepared.shape, prepared.parts[0]
    met = np.append(np.bincount(train.items, minlength=shape.items) > 0, False)
    pairs = len(distinct(train.users.astype(np.int64) * shape.items + train.items)) if prepared.repeated else len(train.users)
    return {
        "users": shape.users,
        "items": shape.items,
        "unmet_items": shape.items - int(met.sum()),
        "density": pairs / (shape.users * shape.items),
        "rows": prepared.counts,
        "parts": {
            name: _part(part, shape, met) | {"tied": tied}
            for name, part, tied in zip(PARTS, prepared.parts, _tied(prepared.parts, shape), strict=True)
        },
        "tied_times": sum(_ties(part, shape) for part in prepared.parts),
        "item_popularity": _tail(np.bincount(train.items, minlength=shape.items)),
        "user_activity": _tail(np.bincount(train.users, minlength=shape.users)),
        "periods": _periods(prepared.parts),
    }


def _part(part: Part, shape: Shape, met: NDArray[np.bool_]) -> dict[str, Any]:
    warm_users, warm_items = part.users < shape.users, met[part.items]
    return {
        "interactions": len(part.users),
        "users": int(np.count_nonzero(np.bincount(part.users[warm_users]))),
        "items": int(np.count_nonzero(np.bincount(part.items[warm_items]))),
        "of_cold_users": int((~warm_users).sum()),
        "of_cold_items": int((~warm_items).sum()),
        "cold": int((~(warm_users & warm_items)).sum()),
        "first": _time(int(part.times[0])) if len(part.times) else None,
        "last": _time(int(part.times[-1])) if len(part.times) else None,
    }


def _ties(part: Part, shape: Shape) -> int:
    """Interactions whose user had another at that instant before them in the log: only its order tells which came first."""
    meetings, _ = _meetings((part,), shape)
    return len(meetings) - len(distinct(meetings))


def _tied(parts: tuple[Part, ...], shape: Shape) -> list[int]:
    """Of each part, the interactions of known users who had another at that very instant, in whatever part.

    Which of them is held out, because it came last, only the order of the log decides: with times by the day, often.
    """
    meetings, part = _meetings(parts, shape)
    ordered = np.sort(meetings)
    repeated = distinct(ordered[1:][ordered[1:] == ordered[:-1]])
    if not len(repeated):
        return [0] * len(parts)
    crowded = repeated[np.searchsorted(repeated, meetings).clip(max=len(repeated) - 1)] == meetings
    return [int(count) for count in np.bincount(part[crowded], minlength=len(parts))]


def _meetings(parts: tuple[Part, ...], shape: Shape) -> tuple[NDArray[np.int64], NDArray[np.int8]]:
    """One number for each user and instant, equal where both are, and its part; only of instants at which others met too.

    Cold users are left out: they share one number, and are not one user.
    """
    users, times = (np.concatenate([getattr(part, name) for part in parts]) for name in ("users", "times"))
    part = np.repeat(np.arange(len(parts), dtype=np.int8), [len(each.users) for each in parts])
    if (times[1:] < times[:-1]).any():  # parts that overlap in time: a few rising runs, which a stable sort just merges
        order = np.argsort(times, kind="stable")
        users, times, part = users[order], times[order], part[order]
    starts = np.ones(len(times) + 1, dtype=np.bool_)
    np.not_equal(times[1:], times[:-1], out=starts[1:-1])
    shared = ~(starts[:-1] & starts[1:]) & (users < shape.users)
    return np.cumsum(starts[:-1])[shared] * shape.users + users[shared], part[shared]


def _tail(counts: NDArray[np.int64]) -> dict[str, Any]:
    """How unequal counts [M >= 1] are: percentiles, the share of the top, and a histogram by powers of two."""
    ordered = np.sort(counts)[::-1]
    top = {str(percent): int(np.ceil(len(ordered) * percent / 100)) for percent in (1, 10, 20)}
    edges = 2 ** np.arange(int(ordered[0]).bit_length() + 1)
    sizes, _ = np.histogram(counts, bins=edges)
    return {
        "percentiles": {str(p): float(np.percentile(counts, p)) for p in (0, 25, 50, 75, 90, 99, 100)},
        "top_share_by_percent": {percent: float(ordered[:k].sum() / ordered.sum()) for percent, k in top.items()},
        "histogram": [{"from": int(a), "below": int(a) * 2, "count": int(n)} for a, n in zip(edges, sizes, strict=False)],
    }


def _periods(parts: tuple[Part, ...]) -> list[dict[str, Any]]:
    """Events of each part in at most ``PERIODS`` equal stretches of time."""
    first = min(int(part.times[0]) for part in parts if len(part.times))
    last = max(int(part.times[-1]) for part in parts if len(part.times))
    width = max(-(-(last - first + 1) // PERIODS), 1)
    number = (last - first) // width + 1
    bars = [np.bincount((part.times - first) // width, minlength=number) for part in parts]
    return [
        {"start": _time(first + p * width), **{name: int(bar[p]) for name, bar in zip(PARTS, bars, strict=True)}}
        for p in range(number)
    ]


def _time(instant: int) -> str:
    return datetime.fromtimestamp(instant / 1e6, tz=UTC).isoformat(timespec="seconds")
